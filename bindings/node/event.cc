#include "event.h"

namespace noex_js {

EventCopy::EventCopy(const noex_event& event)
    : kind_(event.kind),
      created_at_(event.created_at),
      reason_(event.reason),
      status_(event.status),
      level_(event.level),
      message_(event.message == nullptr ? "" : event.message),
      operation_(event.operation) {
  if (event.node != nullptr) node_.emplace(*event.node);
  if (event.error != nullptr) error_.emplace(*event.error);
}

void EventCopy::deliver(Napi::Env env, Napi::Object self, Napi::Function receive) const {
  switch (kind_) {
    case NOEX_EVENT_NODE_UP:
      receive.Call(self, {Napi::String::New(env, "nodeUp"), node_to_js(env, *node_)});
      break;
    case NOEX_EVENT_NODE_DOWN:
      receive.Call(self, {Napi::String::New(env, "nodeDown"), Napi::String::New(env, node_->id),
                          Napi::String::New(env, noex_down_reason_name(reason_))});
      break;
    case NOEX_EVENT_STATUS:
      receive.Call(self,
                   {Napi::String::New(env, "statusChange"), Napi::String::New(env, noex_cluster_status_name(status_))});
      break;
    case NOEX_EVENT_ERROR:
      receive.Call(self, {Napi::String::New(env, "error"), error_to_js(env, *error_).Value()});
      break;
    case NOEX_EVENT_LOG: {
      Napi::Object record = Napi::Object::New(env);
      record.Set("level", Napi::String::New(env, noex_log_level_name(level_)));
      record.Set("message", Napi::String::New(env, message_));
      record.Set("at", Napi::Number::New(env, static_cast<double>(created_at_)));
      receive.Call(self, {Napi::String::New(env, "log"), frozen(record)});
      break;
    }
    case NOEX_EVENT_COMPLETION:
      receive.Call(self, {Napi::String::New(env, "completion"), Napi::Number::New(env, static_cast<double>(operation_)),
                          error_ ? Napi::Value(error_to_js(env, *error_).Value()) : env.Undefined()});
      break;
    default:  // a kind of a later library
      break;
  }
}

}  // namespace noex_js
