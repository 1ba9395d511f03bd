// A table on disk that outlives its process (SQLite, write-ahead log): records in the order in which they
// were added, and a few named notes. All that is staged goes to disk in one transaction, by commit(). The
// file belongs to one process at a time, and the process's death frees it.
//
// What cannot be written is an Error in words for an operator, and the next commit() tries it anew, with a
// new connection: so it recovers by itself, once there is room for as much as was refused. SQLite's errors
// end here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace stox::journal {

// What a commit survives: the death of the process, or of the machine (each commit then waits for the disk).
enum class Sync { kProcess, kMachine };

struct Record {
  int64_t row = 0;
  std::string bytes;
  std::string addition;   // what annotate() said; empty = nothing
  uint32_t openings = 0;  // how often the file was opened since the record was added, this time included
};

class Journal {
 public:
  // Nothing is touched before open(). The folder is made if it is not there.
  Journal(std::string path, Sync);
  ~Journal();  // commits what is staged, as far as that can be done
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Once, until it succeeds: takes the file, and returns what was left in it, oldest first. A file that is no
  // journal any more is put aside under another name (put_aside() says which), and a new one begun.
  Result<std::vector<Record>> open();
  bool is_open() const { return opened_; }
  // The last open() failed because another process has the file.
  bool is_taken() const { return taken_; }
  const std::string& put_aside() const { return put_aside_; }

  // Staged. A row is a number that no other record has that is there.
  int64_t add(std::string bytes);
  void annotate(int64_t row, std::string addition);
  void remove(int64_t row);
  void set_note(const std::string& name, std::string bytes);

  bool has_staged() const;
  // If it fails, what was added is forgotten, for its owner is told so now; all else stays staged.
  Result<void> commit();

  std::size_t size() const { return size_; }  // records, staged ones included
  std::string note(const std::string& name) const;
  const std::string& path() const { return path_; }

 private:
  struct CloseDatabase {
    void operator()(sqlite3*) const;
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt*) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

  Result<void> connect();
  void disconnect();
  Result<void> read(std::vector<Record>*);
  Result<void> execute(const char* sql);
  Result<Statement> prepare(const char* sql);
  Result<void> step(sqlite3_stmt*);
  Result<void> write_staged();
  Result<void> delete_rows(int64_t first, int64_t last);
  Result<void> try_room(std::size_t bytes);
  Result<void> reserve();
  tl::unexpected<Error> failure(const std::string& doing) const;
  bool set_aside_if_damaged();

  std::string path_;
  Sync sync_;
  std::unique_ptr<sqlite3, CloseDatabase> database_;
  Statement begin_, insert_, annotate_, delete_, note_, try_room_, pages_, commit_;
  bool opened_ = false;
  bool taken_ = false;
  std::string put_aside_;
  int64_t next_row_ = 1;
  int64_t reserved_ = 0;  // bytes of the file that are there for the table
  std::size_t size_ = 0;
  struct Added {
    int64_t row;
    std::string bytes;
  };
  std::vector<Added> added_;
  std::map<int64_t, std::string> additions_;
  std::vector<int64_t> removed_;
  int64_t refused_from_ = 0, refused_to_ = 0;  // rows whose commit failed: should they be there, they go
  std::size_t refused_bytes_ = 0;              // of the commits that failed since one went well; 0 = none did
  std::map<std::string, std::string> notes_;
  std::map<std::string, std::string> staged_notes_;
};

}  // namespace stox::journal
