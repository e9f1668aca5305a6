#include "transport/resolver.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "base/thread.h"
#include "transport/socket_address.h"

namespace noex {
namespace {

constexpr size_t kThreadsMax = 4;

Lookup failed(std::string reason, std::string code) { return {{}, std::move(reason), std::move(code)}; }

Lookup failed_with(int gai_error) {
  switch (gai_error) {
    case EAI_NONAME:
#if defined(EAI_NODATA)
    case EAI_NODATA:
#endif
      return failed("unknown host", "ENOTFOUND");
    case EAI_AGAIN:
      return failed("the name server does not answer", "EAI_AGAIN");
    default:
      return failed(gai_strerror(gai_error), "EAI_FAIL");
  }
}

}  // namespace

Lookup system_lookup(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int gai_error = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (gai_error != 0) return failed_with(gai_error);
  Lookup lookup;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto endpoint = endpoint_of(entry->ai_addr);
    if (!endpoint) continue;
    auto& found = lookup.addresses;
    if (std::find(found.begin(), found.end(), endpoint->ip) == found.end()) found.push_back(endpoint->ip);
  }
  freeaddrinfo(list);
  return lookup.addresses.empty() ? failed_with(EAI_NONAME) : lookup;
}

// What the threads and the transport share. A query is in `open` until it is answered; an answer for one that is not
// there is dropped.
struct Resolver::Shared {
  struct Query {
    std::string host;
    Instant deadline;
  };

  LookupFunction lookup;

  std::mutex mutex;
  std::condition_variable answered;        // for resolve_now()
  std::function<void()> on_answer;         // empty once closed
  std::map<uint64_t, Query> open;          // by the internal ticket
  std::map<uint64_t, uint64_t> query_ids;  // ticket -> the caller's query; absent for resolve_now()
  std::deque<uint64_t> waiting;            // tickets that no thread has taken
  std::vector<Answer> answers;
  std::map<uint64_t, Lookup> direct_answers;  // of resolve_now(), by ticket
  uint64_t next_ticket = 1;
  size_t threads = 0;
  bool interrupted = false;
  bool closed = false;

  // With the mutex held.
  void answer(uint64_t ticket, Lookup result) {
    if (open.erase(ticket) == 0) return;
    const auto query = query_ids.find(ticket);
    if (query == query_ids.end()) {
      direct_answers.emplace(ticket, std::move(result));
      answered.notify_all();
      return;
    }
    answers.push_back({query->second, std::move(result)});
    query_ids.erase(query);
    if (on_answer) on_answer();
  }

  // With the mutex held. Takes a ticket, and makes sure that a thread works on it.
  uint64_t ask(std::shared_ptr<Shared> self, std::string_view host, Instant deadline, std::optional<uint64_t> query);
  void work();
};

uint64_t Resolver::Shared::ask(std::shared_ptr<Shared> self, std::string_view host, Instant deadline,
                               std::optional<uint64_t> query) {
  const uint64_t ticket = next_ticket++;
  open.emplace(ticket, Query{std::string(host), deadline});
  if (query) query_ids.emplace(ticket, *query);
  waiting.push_back(ticket);
  if (threads >= kThreadsMax) return ticket;  // one of them takes it when it has ended its present one
  const Status started = Thread::start_detached("noex-resolver", [self = std::move(self)] { self->work(); });
  if (started) {
    threads += 1;
  } else if (threads == 0) {
    waiting.pop_back();
    answer(ticket, failed(started.error().message, "EAGAIN"));
  }
  return ticket;
}

void Resolver::Shared::work() {
  std::unique_lock lock(mutex);
  while (!closed && !waiting.empty()) {
    const uint64_t ticket = waiting.front();
    waiting.pop_front();
    const auto query = open.find(ticket);
    if (query == open.end()) continue;  // timed out while it waited
    const std::string host = query->second.host;
    lock.unlock();
    Lookup result;
    try {
      result = lookup(host);
    } catch (...) {
      result = failed("out of memory", "ENOMEM");
    }
    lock.lock();
    try {
      answer(ticket, std::move(result));
    } catch (...) {
      // Out of memory. The asker hears nothing, as from a name server that never answers; the process lives.
    }
  }
  threads -= 1;
}

Resolver::Resolver(LookupFunction lookup, std::function<void()> on_answer) : shared_(std::make_shared<Shared>()) {
  shared_->lookup = lookup ? std::move(lookup) : system_lookup;
  shared_->on_answer = std::move(on_answer);
}

Resolver::~Resolver() { close(); }

void Resolver::resolve(uint64_t query, std::string_view host, Instant deadline) {
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->closed) shared_->ask(shared_, host, deadline, query);
}

void Resolver::expire(Instant now) {
  const std::lock_guard lock(shared_->mutex);
  std::vector<uint64_t> late;
  for (const auto& [ticket, query] : shared_->open) {
    if (query.deadline <= now) late.push_back(ticket);
  }
  for (const uint64_t ticket : late) shared_->answer(ticket, failed("the name look-up timed out", "ETIMEDOUT"));
}

std::vector<Resolver::Answer> Resolver::take_answers() {
  const std::lock_guard lock(shared_->mutex);
  return std::exchange(shared_->answers, {});
}

bool Resolver::busy() const {
  const std::lock_guard lock(shared_->mutex);
  return !shared_->open.empty();
}

Lookup Resolver::resolve_now(std::string_view host, Duration limit) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(limit.ns());
  std::unique_lock lock(shared_->mutex);
  if (shared_->interrupted || shared_->closed) return failed("interrupted", "ECANCELED");
  const uint64_t ticket = shared_->ask(shared_, host, Instant::never(), std::nullopt);
  while (true) {
    if (const auto found = shared_->direct_answers.find(ticket); found != shared_->direct_answers.end()) {
      Lookup result = std::move(found->second);
      shared_->direct_answers.erase(found);
      return result;
    }
    const bool interrupted = shared_->interrupted || shared_->closed;
    if (interrupted || std::chrono::steady_clock::now() >= until) {
      shared_->open.erase(ticket);
      return interrupted ? failed("interrupted", "ECANCELED") : failed("the name look-up timed out", "ETIMEDOUT");
    }
    shared_->answered.wait_until(lock, until);
  }
}

void Resolver::interrupt() {
  const std::lock_guard lock(shared_->mutex);
  shared_->interrupted = true;
  shared_->answered.notify_all();
}

void Resolver::close() {
  const std::lock_guard lock(shared_->mutex);
  shared_->closed = true;
  shared_->on_answer = nullptr;
  shared_->open.clear();
  shared_->query_ids.clear();
  shared_->waiting.clear();
  shared_->answers.clear();
  shared_->answered.notify_all();
}

}  // namespace noex
