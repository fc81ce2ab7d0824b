// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_SHUFFLE_EMITTED_VIEW_H_
#define MAPREDUCE_SHUFFLE_EMITTED_VIEW_H_

#include <cstdint>

#include "mapreduce/shuffle/emit_batch.h"
#include "mapreduce/shuffle/record.h"

namespace millrace {

/// The view of a record that lies as it was emitted. Field by field where the view is to be: to
/// copy one that was just made is to wait for its stores (3 % of sorting 15 M records of 20 bytes).
inline void SetEmittedView(const char* record, RecordView* view) {
  const char* const key = EmitBatch::Key(record);
  const std::uint32_t key_bytes = EmitBatch::KeyBytes(record);
  view->prefix = KeyPrefix(key, key_bytes);
  view->key = key;
  view->value = key + key_bytes;
  view->key_bytes = key_bytes;
  view->value_bytes = EmitBatch::ValueBytes(record);
}

}  // namespace millrace

#endif  // MAPREDUCE_SHUFFLE_EMITTED_VIEW_H_
