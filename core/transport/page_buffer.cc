#include "transport/page_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace noex {
namespace {

constexpr size_t kCapacityMin = size_t{64} << 10;  // whole pages on every machine

}  // namespace

void PageBuffer::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (size_ + bytes.size() > capacity_) {
    const size_t capacity = std::bit_ceil(std::max(kCapacityMin, size_ + bytes.size()));
    void* const pages = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    if (size_ > 0) std::memcpy(pages, data_, size_);
    const size_t size = size_;
    release();
    data_ = static_cast<char*>(pages);
    size_ = size;
    capacity_ = capacity;
  }
  std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

void PageBuffer::release() {
  if (data_ != nullptr) ::munmap(data_, capacity_);
  data_ = nullptr;
  size_ = 0;
  capacity_ = 0;
}

}  // namespace noex
