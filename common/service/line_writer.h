// Whole lines to a descriptor whose reader may have stopped reading (a supervisor's pipe, a terminal on
// hold). The loop must not stand still for that, so a line that finds no room waits at most 100 ms, and the
// lines after it not at all until there is room again: they are dropped, and the caller counts them.
#pragma once

#include <string>
#include <string_view>

namespace stox::service {

class LineWriter {
 public:
  // The descriptor stays the caller's.
  explicit LineWriter(int descriptor);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  bool write(std::string_view line);  // false: dropped

 private:
  bool put(std::string_view bytes);
  bool has_room(int wait_ms) const;

  int given_;
  int own_ = -1;  // the same pipe or terminal, opened again without blocking
  bool file_ = false;
  bool socket_ = false;
  bool stalled_ = false;
  std::string rest_;  // of a line that was written in part
};

}  // namespace stox::service
