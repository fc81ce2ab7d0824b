// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_TRANSPORT_FRAME_H_
#define MAPREDUCE_TRANSPORT_FRAME_H_

#include <cstddef>
#include <string_view>

namespace millrace {

/// A frame as it came in: owns its bytes, which are not copied. One thread at a time.
class Frame {
 public:
  Frame();
  Frame(Frame&& other) noexcept;
  Frame& operator=(Frame&& other) noexcept;
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  ~Frame();

  /// Valid as long as this frame is neither moved nor assigned to.
  std::string_view view() const;

  /// The zmq_msg_t, for the sources of this layer.
  void* raw() { return storage_; }

 private:
  // A zmq_msg_t, whose size and alignment are part of libzmq's ABI.
  alignas(void*) mutable std::byte storage_[64];
};

}  // namespace millrace

#endif  // MAPREDUCE_TRANSPORT_FRAME_H_
