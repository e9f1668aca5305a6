#include "options.h"

#include <cmath>

#include "convert.h"

namespace noex_js {
namespace {

constexpr double kSafeIntegerMax = 9007199254740991.0;  // 2^53 - 1, Number.MAX_SAFE_INTEGER

struct StringOption {
  const char* name;
  const char* noex_config::*field;
};

struct IntegerOption {
  const char* name;
  int64_t noex_config::*field;
};

constexpr StringOption kStringOptions[] = {
    {"nodeName", &noex_config::node_name},           {"host", &noex_config::host},
    {"advertiseHost", &noex_config::advertise_host}, {"clusterSecret", &noex_config::cluster_secret},
    {"clusterName", &noex_config::cluster_name},     {"controlSocket", &noex_config::control_socket},
};

constexpr IntegerOption kIntegerOptions[] = {
    {"heartbeatIntervalMs", &noex_config::heartbeat_interval_ms},
    {"heartbeatMissThreshold", &noex_config::heartbeat_miss_threshold},
    {"reconnectBaseDelayMs", &noex_config::reconnect_base_delay_ms},
    {"reconnectMaxDelayMs", &noex_config::reconnect_max_delay_ms},
    {"forgetAfterMs", &noex_config::forget_after_ms},
};

bool is_absent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

// How a message speaks of a value of the wrong type. Never the text of a string: it may be a secret.
std::string describe(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsString()) return "a string";
  if (value.IsNumber()) return "the number " + value.ToString().Utf8Value();
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value.IsBigInt()) return "a bigint";
  if (value.IsSymbol()) return "a symbol";
  if (value.IsArray()) return "an array";
  if (value.IsFunction()) return "a function";
  if (value.IsPromise()) return "a promise (is an 'await' missing?)";
  return "an object";
}

[[noreturn]] void throw_wrong_type(Napi::Env env, const std::string& name, const char* wanted,
                                   const Napi::Value& value) {
  throw_config_error(env, "invalid " + name + ": it must be " + wanted + ", not " + describe(value));
}

constexpr const char* kPort = "a whole number from 1 to 65535, or 'auto' for any free port";

}  // namespace

Options::Options(Napi::Env env, const Napi::Value& value) : env_(env) {
  noex_config_init(&config_, sizeof config_);
  config_.key_style = NOEX_KEYS_CAMEL;
  if (!value.IsObject() || value.IsArray() || value.IsFunction() || value.IsPromise()) {
    throw_wrong_type(env, "configuration", "an object with at least a nodeName", value);
  }
  const Napi::Object object = value.As<Napi::Object>();

  const Napi::Array keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const Napi::HandleScope scope(env);
    const Napi::Value key = keys.Get(i);
    if (is_absent(object.Get(key))) continue;
    const std::string name = key.ToString().Utf8Value();
    throw_if_failed(env, noex_config_check_option(name.c_str(), NOEX_KEYS_CAMEL));
  }

  for (const StringOption& option : kStringOptions)
    read_string(option.name, object.Get(option.name), &(config_.*option.field));
  for (const IntegerOption& option : kIntegerOptions)
    read_integer(option.name, object.Get(option.name), "a whole number", &(config_.*option.field));
  read_port(object.Get("port"));
  read_seeds(object.Get("seeds"));
}

// A NUL would silently cut the string that the C API sees.
const char* Options::keep(const std::string& name, const Napi::Value& value) {
  std::string text = value.As<Napi::String>().Utf8Value();
  if (text.find('\0') != std::string::npos)
    throw_config_error(env_, "invalid " + name + ": it contains a NUL character");
  strings_.push_back(std::move(text));
  return strings_.back().c_str();
}

void Options::read_string(const char* name, const Napi::Value& value, const char** out) {
  if (is_absent(value)) return;
  if (!value.IsString()) throw_wrong_type(env_, name, "a string", value);
  *out = keep(name, value);
}

void Options::read_integer(const char* name, const Napi::Value& value, const char* wanted, int64_t* out) {
  if (is_absent(value)) return;
  if (!value.IsNumber()) throw_wrong_type(env_, name, wanted, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  // Not NaN or an infinity either.
  if (!(std::trunc(number) == number && std::fabs(number) <= kSafeIntegerMax))
    throw_wrong_type(env_, name, wanted, value);
  *out = static_cast<int64_t>(number);
}

void Options::read_port(const Napi::Value& value) {
  if (value.IsString() && value.As<Napi::String>().Utf8Value() == "auto") {
    config_.port_auto = true;
  } else {
    read_integer("port", value, kPort, &config_.port);
  }
}

void Options::read_seeds(const Napi::Value& value) {
  if (is_absent(value)) return;
  if (!value.IsArray()) throw_wrong_type(env_, "seeds", "an array of strings such as 'app1@192.168.1.10:4369'", value);
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(env_);
    const Napi::Value seed = array.Get(i);
    const std::string name = "seeds[" + std::to_string(i) + "]";
    if (!seed.IsString()) throw_wrong_type(env_, name, "a string such as 'app1@192.168.1.10:4369'", seed);
    seeds_.push_back(keep(name, seed));
  }
  config_.seeds = seeds_.data();
  config_.seeds_count = seeds_.size();
}

}  // namespace noex_js
