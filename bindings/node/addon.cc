// The native module of the package noex-cluster: the C API for JavaScript, marshalled and nothing more. The documented
// interface is made of it in node/lib. All state hangs on the environment that loaded the module (see Instance), so
// workers and second copies work.

#include <napi.h>

#include <cmath>
#include <string>
#include <string_view>

#include "convert.h"
#include "handle.h"
#include "noex_cluster.h"

namespace noex_js {
namespace {

// Every NodeId function takes strings and numbers as its signature says; the package checks that.
std::string read_text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }

// Throws InvalidNodeIdError about `value` if the calling thread's last call failed.
void throw_if_invalid(Napi::Env env, noex_status status, const std::string& value) {
  if (status == NOEX_OK) return;
  ErrorCopy error(*noex_last_error_info());
  error.status = status;
  error.node_id = value;
  throw error_to_js(env, error);
}

// parseNodeId(text) => {name, host, port}; throws InvalidNodeIdError.
Napi::Value parse_node_id(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string text = read_text(info[0]);
  noex_node_id_parts parts{};
  parts.struct_size = sizeof parts;
  throw_if_invalid(env, noex_node_id_parse(text.data(), text.size(), &parts), text);
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", Napi::String::New(env, parts.name));
  object.Set("host", Napi::String::New(env, parts.host));
  object.Set("port", Napi::Number::New(env, parts.port));
  return object;
}

// isNodeId(text) => boolean.
Napi::Value is_node_id(const Napi::CallbackInfo& info) {
  const std::string text = read_text(info[0]);
  return Napi::Boolean::New(info.Env(), noex_node_id_parse(text.data(), text.size(), nullptr) == NOEX_OK);
}

// canonicalNodeId(text) => text; throws InvalidNodeIdError.
Napi::Value canonical_node_id(const Napi::CallbackInfo& info) {
  const std::string text = read_text(info[0]);
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  throw_if_invalid(info.Env(), noex_node_id_canonical(text.data(), text.size(), id, sizeof id), text);
  return Napi::String::New(info.Env(), id);
}

// createNodeId(name, host, port) => text; throws InvalidNodeIdError.
Napi::Value create_node_id(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = read_text(info[0]);
  const std::string host = read_text(info[1]);
  const double port = info[2].As<Napi::Number>().DoubleValue();
  const std::string value = name + "@" + host + ":" + info[2].ToString().Utf8Value();
  const auto throw_invalid = [&](const char* reason) {
    ErrorCopy error(NOEX_ENODEID, reason);
    error.node_id = value;
    throw error_to_js(env, error);
  };
  // What the C API would not see as it is: a string cut at its NUL, a number that is no integer.
  if (value.find('\0') != std::string::npos) throw_invalid("it contains a NUL character");
  if (!(std::trunc(port) == port && std::fabs(port) <= 65536))
    throw_invalid("the port must be a whole number from 1 to 65535");
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  throw_if_invalid(env, noex_node_id_create(name.c_str(), host.c_str(), static_cast<int64_t>(port), id, sizeof id),
                   value);
  return Napi::String::New(env, id);
}

void set_error_factory(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<Instance>()->make_error = Napi::Persistent(info[0].As<Napi::Function>());
}

void set_node_factories(const Napi::CallbackInfo& info) {
  auto* instance = info.Env().GetInstanceData<Instance>();
  instance->make_nodes = Napi::Persistent(info[0].As<Napi::Function>());
  instance->renew_nodes = Napi::Persistent(info[1].As<Napi::Function>());
}

// The names of the states of a node, by their numbers.
Napi::Array node_statuses(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (const int32_t status : {NOEX_NODE_CONNECTING, NOEX_NODE_CONNECTED, NOEX_NODE_DISCONNECTED}) {
    names.Set(static_cast<uint32_t>(status), Napi::String::New(env, noex_node_status_name(status)));
  }
  return names;
}

Napi::Object defaults(Napi::Env env) {
  noex_config config;
  noex_config_init(&config, sizeof config);
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, int64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  object.Set("HOST", Napi::String::New(env, config.host));
  set("PORT", config.port);
  set("HEARTBEAT_INTERVAL_MS", config.heartbeat_interval_ms);
  set("HEARTBEAT_MISS_THRESHOLD", config.heartbeat_miss_threshold);
  set("RECONNECT_BASE_DELAY_MS", config.reconnect_base_delay_ms);
  set("RECONNECT_MAX_DELAY_MS", config.reconnect_max_delay_ms);
  set("PROTOCOL_VERSION", noex_protocol_version());
  return frozen(object);
}

}  // namespace

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance());
  exports.Set("Handle", Handle::define_class(env));
  exports.Set("version", Napi::String::New(env, noex_version()));
  exports.Set("defaults", defaults(env));
  exports.Set("metricsContentType", Napi::String::New(env, NOEX_METRICS_CONTENT_TYPE));
  exports.Set("setErrorFactory", Napi::Function::New<set_error_factory>(env, "setErrorFactory"));
  exports.Set("setNodeFactories", Napi::Function::New<set_node_factories>(env, "setNodeFactories"));
  exports.Set("nodeStatuses", node_statuses(env));
  exports.Set("parseNodeId", Napi::Function::New<parse_node_id>(env, "parseNodeId"));
  exports.Set("isNodeId", Napi::Function::New<is_node_id>(env, "isNodeId"));
  exports.Set("canonicalNodeId", Napi::Function::New<canonical_node_id>(env, "canonicalNodeId"));
  exports.Set("createNodeId", Napi::Function::New<create_node_id>(env, "createNodeId"));
  return exports;
}

}  // namespace noex_js

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return noex_js::initialize(env, exports); }
NODE_API_MODULE(noex_cluster, Init)
