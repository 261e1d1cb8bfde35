#include "core/endpoint/asked_peers.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace dtls {

std::list<AskedPeers::Asked>& AskedPeers::list_of(State state) {
  return state == State::kWaiting ? waiting_ : state == State::kAdmitted ? admitted_ : refused_;
}

AskedPeers::Asked* AskedPeers::find(const PeerAddress& peer, double now) {
  drop_old(now);
  const auto known = by_peer_.find(peer);
  return known == by_peer_.end() ? nullptr : &*known->second;
}

const PeerRules* AskedPeers::rules_for(const PeerAddress& peer, double now) {
  const Asked* asked = find(peer, now);
  return asked != nullptr && asked->state == State::kAdmitted ? &asked->rules : nullptr;
}

bool AskedPeers::may_ask(const PeerAddress& host, bool proven, Room room) {
  const auto own = hosts_.find(host);
  const Waiting of_host = own == hosts_.end() ? Waiting() : own->second;
  if (!proven) return all_.unproven < kUnproven && of_host.unproven < kUnprovenOfHost;
  const auto within = [](uint32_t used, uint32_t limit) { return limit == 0 || used < limit; };
  return all_.proven < kProven && within(all_.proven, room.all) &&
         within(of_host.proven, room.of_host);
}

bool AskedPeers::take_turn(double now) {
  constexpr double kSecond = 1000;
  turns_ = std::min(kUnprovenPerSecond, turns_ + (now - turns_at_) * kUnprovenPerSecond / kSecond);
  turns_at_ = now;
  if (turns_ < 1) return false;
  turns_ -= 1;
  return true;
}

AskedPeers::Asked* AskedPeers::ask(const PeerAddress& peer, bool proven, Room room, double now) {
  drop_old(now);
  const PeerAddress host = peer.host();
  if (!may_ask(host, proven, room) || (!proven && !take_turn(now))) return nullptr;
  Asked asked;
  asked.peer = peer;
  asked.host = host;
  asked.question = next_question();
  asked.proven = proven;
  asked.until = now + timeout_;
  waiting_.push_back(std::move(asked));
  const Place place = std::prev(waiting_.end());
  by_peer_.emplace(peer, place);
  by_question_.emplace(place->question, place);
  Waiting& of_host = hosts_[host];
  ++(proven ? all_.proven : all_.unproven);
  ++(proven ? of_host.proven : of_host.unproven);
  return &*place;
}

// 0 names none. Numbers begin anew some day, when a question may be open for long.
uint32_t AskedPeers::next_question() {
  do {
    ++last_question_;
  } while (last_question_ == 0 || by_question_.count(last_question_) != 0);
  return last_question_;
}

bool AskedPeers::hold(Asked& asked, Bytes datagram, uint16_t sequence, uint32_t offset) {
  const bool is_there = std::any_of(asked.held.begin(), asked.held.end(), [&](const Held& held) {
    return held.sequence == sequence && held.offset == offset;
  });
  if (is_there || asked.held.size() == kHeldDatagrams ||
      asked.held_bytes + datagram.size > kHeldBytes) {
    return false;
  }
  asked.held.push_back({{datagram.data, datagram.data + datagram.size}, sequence, offset});
  asked.held_bytes += datagram.size;
  return true;
}

AskedPeers::Asked* AskedPeers::waiting(uint32_t question, double now) {
  drop_old(now);
  const auto known = by_question_.find(question);
  return known == by_question_.end() ? nullptr : &*known->second;
}

void AskedPeers::admit(Asked& asked, PeerRules rules, double now) {
  asked.rules = std::move(rules);
  keep(asked, State::kAdmitted, now + kAdmittedFor);
}

void AskedPeers::refuse(Asked& asked, double now) {
  keep(asked, State::kRefused, now + kRefusedFor);
}

void AskedPeers::keep(Asked& asked, State state, double until) {
  const Place place = by_peer_.find(asked.peer)->second;
  stop_waiting(asked);
  std::list<Asked>& list = list_of(state);
  list.splice(list.end(), waiting_, place);
  asked.state = state;
  asked.until = until;
  asked.held.clear();
  asked.held.shrink_to_fit();
  asked.held_bytes = 0;
  asked.hello13.reset();
  if (list.size() > kAnswers) erase(list.begin());
}

void AskedPeers::stop_waiting(const Asked& asked) {
  by_question_.erase(asked.question);
  const auto own = hosts_.find(asked.host);
  --(asked.proven ? all_.proven : all_.unproven);
  --(asked.proven ? own->second.proven : own->second.unproven);
  if (own->second.proven == 0 && own->second.unproven == 0) hosts_.erase(own);
}

AskedPeers::Asked AskedPeers::use(const PeerAddress& peer) {
  const Place place = by_peer_.find(peer)->second;
  Asked used = std::move(*place);
  by_peer_.erase(peer);
  admitted_.erase(place);
  return used;
}

uint32_t AskedPeers::forget(const PeerAddress& peer, uint32_t last_put, double now) {
  drop_old(now);
  const auto known = by_peer_.find(peer);
  if (known == by_peer_.end() || last_put == 0) return 0;
  const uint32_t question = known->second->question;
  // Numbers begin anew some day.
  if (static_cast<int32_t>(question - last_put) > 0) return 0;
  erase(known->second);
  return question;
}

void AskedPeers::erase(Place place) {
  if (place->state == State::kWaiting) stop_waiting(*place);
  by_peer_.erase(place->peer);
  list_of(place->state).erase(place);
}

void AskedPeers::drop_old(double now) {
  for (std::list<Asked>* list : {&waiting_, &admitted_, &refused_}) {
    while (!list->empty() && now >= list->front().until) erase(list->begin());
  }
}

}  // namespace dtls
