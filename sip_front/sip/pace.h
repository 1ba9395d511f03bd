// Holds readers back: what has read rests, and goes on reading no earlier than `pace` later, together with
// all others that rest. So messages that come soon after each other are handled in one wakeup, and one that
// comes alone at once.
#pragma once

#include <vector>

#include "common/net/loop.h"

namespace stox::sip {

class Reader {
 public:
  virtual ~Reader() = default;
  virtual void read() = 0;  // reads what is there, then rests or waits
};

class Pace {
 public:
  // The loop must outlive it; readers must not be destroyed before it while they rest.
  Pace(net::Loop& loop, Duration pace) : loop_(loop), pace_(pace), alarm_(loop, [this] { wake(); }) {}

  // Calls reader.read() when the time has come. A reader rests once at a time.
  void rest(Reader& reader) {
    if (resting_.empty()) alarm_.set(loop_.now() + pace_);
    resting_.push_back(&reader);
  }
  // The same as soon as others had their turn.
  void go_on(Reader& reader) {
    alarm_.set(loop_.now());
    resting_.push_back(&reader);
  }

 private:
  void wake() {
    awake_.swap(resting_);
    for (Reader* reader : awake_) reader->read();
    awake_.clear();
  }

  net::Loop& loop_;
  Duration pace_;
  net::Alarm alarm_;
  std::vector<Reader*> resting_, awake_;
};

}  // namespace stox::sip
