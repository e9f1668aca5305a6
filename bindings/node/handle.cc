#include "handle.h"

#include <cmath>
#include <utility>

#include "convert.h"
#include "options.h"

namespace noex_js {
namespace {

// Events that may wait for JavaScript outside the library, where they cannot be folded any more.
constexpr size_t kQueuedEventsMax = 256;

constexpr uint32_t kEventKinds = NOEX_EVENT_NODE_UP | NOEX_EVENT_NODE_DOWN | NOEX_EVENT_STATUS | NOEX_EVENT_ERROR |
                                 NOEX_EVENT_LOG | NOEX_EVENT_COMPLETION;

// The text of a node id that a query was asked for; false for what cannot be one: no string, or a string that C would
// see cut.
bool read_id(const Napi::Value& value, std::string* out) {
  if (!value.IsString()) return false;
  *out = value.As<Napi::String>().Utf8Value();
  return out->find('\0') == std::string::npos;
}

}  // namespace

Napi::Function Handle::define_class(Napi::Env env) {
  return DefineClass(
      env, "Handle",
      {InstanceMethod<&Handle::start>("start"), InstanceMethod<&Handle::stop>("stop"),
       InstanceMethod<&Handle::status>("status"), InstanceMethod<&Handle::local_id>("localId"),
       InstanceMethod<&Handle::local_node>("localNode"), InstanceMethod<&Handle::nodes>("nodes"),
       InstanceMethod<&Handle::find>("find"), InstanceMethod<&Handle::is_node_connected>("isNodeConnected"),
       InstanceMethod<&Handle::connected_count>("connectedCount"), InstanceMethod<&Handle::uptime_ms>("uptimeMs"),
       InstanceMethod<&Handle::stats>("stats"), InstanceMethod<&Handle::metrics>("metrics"),
       InstanceMethod<&Handle::set_process_count>("setProcessCount"),
       InstanceMethod<&Handle::select_log_level>("selectLogLevel"), InstanceMethod<&Handle::hold>("hold"),
       InstanceMethod<&Handle::release>("release")});
}

Handle::Handle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Handle>(info), env_(info.Env()) {
  throw_if_failed(env_, noex_cluster_create(&cluster_));
}

Handle::~Handle() { close(); }

// -------------------------------------------------------------------------------------------------------------------
// lifecycle

Napi::Value Handle::start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Options options(env, info[0]);
  open_channel(env);
  uint64_t operation = 0;
  throw_if_failed(env, noex_cluster_start_async(cluster_, options.config(), &operation));
  forget_nodes();  // versions count anew
  return Napi::Number::New(env, static_cast<double>(operation));
}

// undefined: never started, so there is nothing to wait for.
Napi::Value Handle::stop(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!channel_) return env.Undefined();
  uint64_t operation = 0;
  throw_if_failed(env, noex_cluster_stop_async(cluster_, &operation));
  return Napi::Number::New(env, static_cast<double>(operation));
}

// The thread-safe function is made at the first start, so that a program which only loads the package has nothing to
// tear down.
void Handle::open_channel(Napi::Env env) {
  if (channel_) return;
  auto channel = std::make_shared<Channel>();
  channel->owner = this;
  // What async_hooks are told of it. Jest, for one, asks it whether it keeps the process alive.
  Napi::Object resource = Napi::Object::New(env);
  const auto has_ref = [channel = std::weak_ptr<Channel>(channel)](const Napi::CallbackInfo& info) {
    const std::shared_ptr<Channel> shared = channel.lock();
    return Napi::Boolean::New(info.Env(), shared && shared->owner != nullptr && shared->owner->held_);
  };
  resource.Set("hasRef", Napi::Function::New(env, has_ref, "hasRef"));
  channel->function = ThreadSafeFunction::New(
      env, resource, "noex_cluster", kQueuedEventsMax, 1, channel.get(),
      [](Napi::Env, std::shared_ptr<Channel>* keep, Channel*) { delete keep; }, new std::shared_ptr<Channel>(channel));
  channel->function.Unref(env);
  noex_subscription subscription = 0;
  const noex_status status = noex_cluster_on_event(
      cluster_, kEventKinds, &Handle::receive, new std::shared_ptr<Channel>(channel),
      [](void* keep) { delete static_cast<std::shared_ptr<Channel>*>(keep); }, &subscription);
  if (status != NOEX_OK) {
    channel->owner = nullptr;
    channel->function.Abort();
    throw_if_failed(env, status);
  }
  channel_ = std::move(channel);
  // After the thread-safe function, whose own hook therefore runs later: hooks run in reverse order.
  napi_add_env_cleanup_hook(env, &Handle::close_at_exit, this);
}

void Handle::close_at_exit(void* handle) {
  auto* self = static_cast<Handle*>(handle);
  self->close();
}

void Handle::close() {
  if (cluster_ == nullptr) return;
  if (channel_) {
    napi_remove_env_cleanup_hook(env_, &Handle::close_at_exit, this);
    channel_->owner = nullptr;
    channel_->function.Abort();  // a dispatch thread that waits for room in the queue goes on, so that free can join it
  }
  noex_cluster_free(std::exchange(cluster_, nullptr));
  noex_nodes_free(std::exchange(snapshot_, nullptr));
  channel_.reset();
}

void Handle::hold(const Napi::CallbackInfo& info) {
  if (held_ || !channel_) return;
  held_ = true;
  Ref();
  channel_->function.Ref(info.Env());
}

void Handle::release(const Napi::CallbackInfo& info) {
  if (!held_ || !channel_) return;
  held_ = false;
  Unref();
  channel_->function.Unref(info.Env());
}

// ----------------------------------------------------------------------------------------------------------------------
// events

// On the dispatch thread.
void Handle::receive(const noex_event* event, void* channel) {
  const std::shared_ptr<Channel>& shared = *static_cast<std::shared_ptr<Channel>*>(channel);
  auto copy = std::make_unique<EventCopy>(*event);
  if (shared->function.BlockingCall(copy.get()) == napi_ok) static_cast<void>(copy.release());
}

// On the JavaScript thread. `env` is null when the queue is emptied at the end of the environment.
void Handle::call_js(Napi::Env env, Napi::Function, Channel* channel, EventCopy* event) {
  const std::unique_ptr<EventCopy> owned(event);
  if (napi_env(env) == nullptr || channel->owner == nullptr) return;
  try {
    const Napi::HandleScope scope(env);
    const Napi::Object self = channel->owner->Value();
    if (self.IsEmpty()) return;  // collected, the finalizer is still to come
    const Napi::Value function = self.Get("onEvent");
    if (function.IsFunction()) event->deliver(env, self, function.As<Napi::Function>());
  } catch (const Napi::Error& error) {
    // node swallows what a thread-safe function's callback throws. While a worker is being terminated this fails, as it
    // should.
    napi_fatal_exception(env, error.Value());
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// queries

Napi::Value Handle::status(const Napi::CallbackInfo& info) {
  int32_t status = NOEX_CLUSTER_STOPPED;
  throw_if_failed(info.Env(), noex_cluster_status(cluster_, &status));
  return Napi::String::New(info.Env(), noex_cluster_status_name(status));
}

Napi::Value Handle::local_id(const Napi::CallbackInfo& info) {
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  throw_if_failed(info.Env(), noex_cluster_local_id(cluster_, id, sizeof id));
  return Napi::String::New(info.Env(), id);
}

Napi::Value Handle::local_node(const Napi::CallbackInfo& info) {
  noex_nodes* nodes = nullptr;
  throw_if_failed(info.Env(), noex_cluster_local_node(cluster_, &nodes));
  const std::unique_ptr<noex_nodes, decltype(&noex_nodes_free)> owned(nodes, &noex_nodes_free);
  return node_to_js(info.Env(), *noex_nodes_at(nodes, 0));
}

void Handle::refresh_nodes(Napi::Env env) {
  uint64_t version = 0;
  throw_if_failed(env, noex_cluster_nodes_version(cluster_, &version));
  if (snapshot_ != nullptr && version == version_) return;
  noex_nodes* fetched = nullptr;
  throw_if_failed(env, noex_cluster_nodes(cluster_, &fetched));
  std::unique_ptr<noex_nodes, decltype(&noex_nodes_free)> nodes(fetched, &noex_nodes_free);
  const Napi::Array list =
      snapshot_ == nullptr ? nodes_to_js(env, nodes.get()) : nodes_to_js(env, nodes.get(), snapshot_, nodes_.Value());
  forget_nodes();
  snapshot_ = nodes.release();
  // Taken before the list: if that is newer, it is only fetched once more.
  version_ = version;
  nodes_ = Napi::Persistent(list);
}

void Handle::forget_nodes() {
  noex_nodes_free(std::exchange(snapshot_, nullptr));
  nodes_.Reset();
}

Napi::Value Handle::nodes(const Napi::CallbackInfo& info) {
  refresh_nodes(info.Env());
  return nodes_.Value();
}

Napi::Value Handle::find(const Napi::CallbackInfo& info) {
  refresh_nodes(info.Env());
  std::string id;
  if (!read_id(info[0], &id)) return info.Env().Undefined();
  const noex_node* found = noex_nodes_find(snapshot_, id.c_str());
  if (found == nullptr) return info.Env().Undefined();
  for (size_t i = 0; i < noex_nodes_count(snapshot_); ++i) {
    if (noex_nodes_at(snapshot_, i) == found) return nodes_.Value().Get(static_cast<uint32_t>(i));
  }
  return info.Env().Undefined();
}

Napi::Value Handle::is_node_connected(const Napi::CallbackInfo& info) {
  std::string id;
  if (!read_id(info[0], &id)) id.clear();  // asked all the same: it throws if the node is not started
  bool connected = false;
  throw_if_failed(info.Env(), noex_cluster_is_node_connected(cluster_, id.c_str(), &connected));
  return Napi::Boolean::New(info.Env(), connected);
}

Napi::Value Handle::connected_count(const Napi::CallbackInfo& info) {
  size_t count = 0;
  throw_if_failed(info.Env(), noex_cluster_connected_count(cluster_, &count));
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

Napi::Value Handle::uptime_ms(const Napi::CallbackInfo& info) {
  int64_t uptime_ms = 0;
  throw_if_failed(info.Env(), noex_cluster_uptime_ms(cluster_, &uptime_ms));
  return Napi::Number::New(info.Env(), static_cast<double>(uptime_ms));
}

Napi::Value Handle::metrics(const Napi::CallbackInfo& info) {
  char* text = nullptr;
  throw_if_failed(info.Env(), noex_cluster_document(cluster_, NOEX_DOCUMENT_METRICS, &text));
  const std::unique_ptr<char, decltype(&noex_text_free)> owned(text, &noex_text_free);
  return Napi::String::New(info.Env(), text);
}

Napi::Value Handle::stats(const Napi::CallbackInfo& info) {
  noex_stats_snapshot* stats = nullptr;
  throw_if_failed(info.Env(), noex_cluster_stats(cluster_, &stats));
  const std::unique_ptr<noex_stats_snapshot, decltype(&noex_stats_free)> owned(stats, &noex_stats_free);
  return stats_to_js(info.Env(), stats);
}

void Handle::set_process_count(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsNumber()) throw Napi::TypeError::New(env, "the process count must be a number");
  const double count = info[0].As<Napi::Number>().DoubleValue();
  if (!(std::trunc(count) == count && count >= 0 && count <= 9007199254740991.0)) {
    throw Napi::RangeError::New(
        env, "the process count must be a whole number from 0 to 2^53 - 1, not " + info[0].ToString().Utf8Value());
  }
  throw_if_failed(env, noex_cluster_set_process_count(cluster_, static_cast<int64_t>(count)));
}

void Handle::select_log_level(const Napi::CallbackInfo& info) {
  throw_if_failed(info.Env(),
                  noex_cluster_select_events(cluster_, NOEX_EVENT_ALL, info[0].As<Napi::Number>().Int32Value()));
}

}  // namespace noex_js
