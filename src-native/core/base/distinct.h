#ifndef DGRAM_DTLS_CORE_BASE_DISTINCT_H_
#define DGRAM_DTLS_CORE_BASE_DISTINCT_H_

#include <map>
#include <memory>
#include <utility>

namespace dtls {

// Values that many owners have alike, each stored once, and known by what it is: equal values are
// one. A value is here for as long as anybody owns it, so there are never more than owners. For one
// thread.
template <typename Value>
class Distinct {
 public:
  using Shared = std::shared_ptr<const Value>;

  Shared share(Value value) {
    const auto found = known_->find(&value);
    if (found != known_->end()) return found->second.lock();
    // Owners may outlive this object, and the last one takes the value out.
    const auto forget = [known = known_](const Value* last) {
      known->erase(last);
      std::default_delete<const Value>()(last);
    };
    Shared shared(std::make_unique<const Value>(std::move(value)).release(), forget);
    known_->emplace(shared.get(), shared);
    return shared;
  }
  size_t size() const { return known_->size(); }

 private:
  struct Less {
    bool operator()(const Value* a, const Value* b) const { return *a < *b; }
  };
  using Known = std::map<const Value*, std::weak_ptr<const Value>, Less>;

  std::shared_ptr<Known> known_ = std::make_shared<Known>();
};

}  // namespace dtls

#endif  // DGRAM_DTLS_CORE_BASE_DISTINCT_H_
