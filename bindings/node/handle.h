// The class Handle of the native module: one noex_cluster, its calls as methods, its events as calls of `onEvent`.
//
// Events come on the handle's dispatch thread, are copied there, and cross by one thread-safe function whose queue is
// bounded: while JavaScript is busy the dispatch thread waits (it serves nobody else; the node's own I/O thread goes
// on), and what piles up folds inside the library, which knows which events may be folded.
//
// The package sets `handle.onEvent`. It is a property of the JavaScript object and not a reference from here, so that a
// node that nobody reaches any more is garbage, with its handlers; collecting it aborts the node. hold() makes the
// object a root and keeps the process alive, release() ends both.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "event.h"
#include "noex_cluster.h"

namespace noex_js {

class Handle : public Napi::ObjectWrap<Handle> {
 public:
  [[nodiscard]] static Napi::Function define_class(Napi::Env env);

  explicit Handle(const Napi::CallbackInfo& info);
  ~Handle() override;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

 private:
  // What the C callback, the thread-safe function and the handle share. The last of them deletes it: events may still
  // lie in the queue when the handle is gone.
  struct Channel;
  static void call_js(Napi::Env env, Napi::Function, Channel* channel, EventCopy* event);
  using ThreadSafeFunction = Napi::TypedThreadSafeFunction<Channel, EventCopy, &Handle::call_js>;
  struct Channel {
    ThreadSafeFunction function;
    Handle* owner = nullptr;  // JavaScript thread only; null once closed
  };

  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  Napi::Value status(const Napi::CallbackInfo& info);
  Napi::Value local_id(const Napi::CallbackInfo& info);
  Napi::Value local_node(const Napi::CallbackInfo& info);
  Napi::Value nodes(const Napi::CallbackInfo& info);
  Napi::Value find(const Napi::CallbackInfo& info);
  Napi::Value is_node_connected(const Napi::CallbackInfo& info);
  Napi::Value connected_count(const Napi::CallbackInfo& info);
  Napi::Value uptime_ms(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value metrics(const Napi::CallbackInfo& info);
  void set_process_count(const Napi::CallbackInfo& info);
  void select_log_level(const Napi::CallbackInfo& info);
  void hold(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);

  void open_channel(Napi::Env env);
  void refresh_nodes(Napi::Env env);
  void forget_nodes();
  // Ends the node without a goodbye and frees everything. Idempotent; runs no JavaScript.
  void close();
  static void close_at_exit(void* handle);
  static void receive(const noex_event* event, void* channel);

  napi_env env_;
  noex_cluster* cluster_ = nullptr;
  std::shared_ptr<Channel> channel_;  // from the first start on
  bool held_ = false;

  noex_nodes* snapshot_ = nullptr;  // of version_, as nodes_
  uint64_t version_ = 0;
  Napi::Reference<Napi::Array> nodes_;
};

}  // namespace noex_js
