// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulated_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace millrace {

int Simulation::NodeOf(const Address& address) const {
  if (const auto* worker = std::get_if<WorkerId>(&address)) {
    const auto found = worker_of_.find(*worker);
    return found == worker_of_.end() ? -3 : found->second;
  }
  return std::holds_alternative<MasterAddress>(address) ? -1 : -2;
}

bool Simulation::IsCut(int from, int to) const {
  for (const CutLink& cut : cuts_) {
    if (cut.until_ms <= now_ms_) continue;
    if ((cut.a == from && cut.b == to) || (!cut.is_one_way && cut.a == to && cut.b == from))
      return true;
  }
  return false;
}

void Simulation::Transmit(int from_node, int to_node, const Address& from, const Address& to,
                          const Message& message) {
  Note(1, static_cast<std::uint64_t>(from_node) << 32 | static_cast<std::uint32_t>(to_node),
       message.sequence << 8 | message.body.index());
  if (trace_lines_ > 0) Trace(from_node, " -> ", to_node, " ", MessageName(message.body));
  bool is_dropped = to_node == -3 || IsCut(from_node, to_node), is_repeated = false;
  for (const MessageFault& fault : schedule_.message_faults) {
    if (fault.message != message_count_) continue;
    is_dropped = is_dropped || fault.kind == MessageFault::Kind::kDrop;
    is_repeated = is_repeated || fault.kind == MessageFault::Kind::kRepeatLate;
    if (fault.kind == MessageFault::Kind::kKill)
      After(0, [this, node = fault.node] { Kill(node); });
  }
  ++message_count_;
  if (is_dropped) return;
  if (!is_healed_ && Happens(schedule_.loss)) return;
  Message sent = message;
  if (schedule_.encodes_messages) {
    std::string frame = EncodeMessage(message);
    const bool is_damaged = !is_healed_ && Happens(schedule_.bit_flips);
    if (is_damaged)
      frame[random_.Uniform(frame.size())] ^= static_cast<char>(1u << random_.Uniform(8));
    Result<Message> decoded = DecodeMessage(frame);
    if (is_damaged) {
      if (decoded.ok()) Violate("a damaged message was accepted");
      return;
    }
    if (!decoded.ok()) {
      Violate("a message was not understood: ", decoded.error().message());
      return;
    }
    sent = *std::move(decoded);
  }
  const int slot = current_master_;
  int to_slot = slot;
  // An older master may still be connected to some.
  if (to_node == -1 && masters_[1 - slot].is_alive && random_.Uniform(5) == 0) to_slot = 1 - slot;
  const std::uint64_t life = masters_[to_slot].life;
  const int copies = is_repeated || (!is_healed_ && Happens(schedule_.duplicates)) ? 2 : 1;
  const bool keeps_order = schedule_.keeps_order || is_healed_;
  for (int copy = 0; copy < copies; ++copy) {
    std::uint64_t at_ms = now_ms_ + Between(schedule_.delay_ms_min, schedule_.delay_ms_max);
    if (keeps_order && copy == 0) {
      std::uint64_t& last = link_time_ms_[{from_node, to_node}];
      at_ms = std::max(at_ms, last);
      last = at_ms;
    } else if (copy > 0 && (is_repeated || random_.Uniform(4) == 0)) {
      at_ms += random_.Uniform(20'000);  // Much later.
    }
    const std::uint64_t reset = reset_number_;
    At(at_ms, [this, from, to, to_slot, life, reset, sent] {
      if (reset == reset_number_) Deliver(from, to, to_slot, life, sent);
    });
  }
}

void Simulation::Deliver(const Address& from, const Address& to, int master_slot,
                         std::uint64_t master_life, const Message& message) {
  if (const auto* client = std::get_if<ClientId>(&to)) {
    if (const auto* status = std::get_if<RunStatus>(&message.body))
      OnAnswer(client->value - 1, *status);
    return;
  }
  if (const auto* worker = std::get_if<WorkerId>(&to)) {
    const auto found = worker_of_.find(*worker);
    if (found == worker_of_.end()) return;
    const int index = found->second;
    WorkerNode& node = *workers_[static_cast<std::size_t>(index)];
    OnNode(node, node.life, [this, index, from, message] {
      WorkerNode& now = *workers_[static_cast<std::size_t>(index)];
      const bool is_of_master = std::holds_alternative<MasterAddress>(from);
      if (is_of_master) now.heard = std::max(now.heard, message.epoch);
      const auto* start = std::get_if<StartTask>(&message.body);
      const bool is_stale = start != nullptr && message.epoch < now.heard;
      const auto has_it = [&now, start] {
        const std::vector<AttemptId> present = now.worker->Present();
        return std::find(present.begin(), present.end(), start->attempt) != present.end();
      };
      const bool had_it = is_stale && has_it();
      StepWorker(index, MessageArrived{from, message});
      if (is_stale && !had_it && now.worker != nullptr && has_it())
        Violate("S7: worker ", index, " takes ", start->attempt, ", which an older epoch wanted");
    });
    return;
  }
  MasterNode& master = masters_[master_slot];
  OnNode(master, master_life, [this, master_slot, from, message] {
    StepMaster(master_slot, MessageArrived{from, message});
  });
}

}  // namespace millrace
