// Bytes that wait for a peer that does not read. They lie in pages of their own, which go back to the system with the
// buffer: megabytes of small blocks on the heap would stay with the process, for whatever is allocated between them.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

namespace noex {

class PageBuffer {
 public:
  PageBuffer() = default;
  ~PageBuffer() { release(); }
  PageBuffer(PageBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  PageBuffer& operator=(PageBuffer&&) = delete;

  // Throws std::bad_alloc when there is no memory.
  void append(std::string_view bytes);
  [[nodiscard]] char* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  void release();

  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace noex
