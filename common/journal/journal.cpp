#include "common/journal/journal.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <iterator>

namespace stox::journal {
namespace {

// Pages in the log before they go to the table: records live for seconds, so the same few pages again and
// again.
constexpr int64_t kPage = 4096;
constexpr const char* kSetUp =
    "PRAGMA page_size = 4096;"
    "PRAGMA locking_mode = EXCLUSIVE;"  // before the log: keeps its index in our memory, and others out
    "PRAGMA journal_mode = WAL;"
    "PRAGMA wal_autocheckpoint = 1000;"
    "PRAGMA journal_size_limit = 8388608;"
    "PRAGMA temp_store = MEMORY;"   // no descriptor is needed later
    "PRAGMA secure_delete = FAST;"  // Debian's SQLite writes zeros over what is deleted, and whole free pages
    "CREATE TABLE IF NOT EXISTS record (row INTEGER PRIMARY KEY, bytes BLOB NOT NULL, addition BLOB, "
    "openings "
    "INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;";

// The table's file grows in steps of this.
constexpr int kStep = 65536;
// What is written to see whether there is room: as much as was refused, at least this.
constexpr std::size_t kRoom = 65536;

std::string blob(sqlite3_stmt* statement, int column) {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
  return bytes == nullptr
             ? std::string()
             : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
}

// The bytes must live until the statement has been stepped.
void bind_bytes(sqlite3_stmt* statement, int at, const std::string& bytes) {
  sqlite3_bind_blob64(statement, at, bytes.data(), bytes.size(), SQLITE_STATIC);
}

const char* advice(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "; make room on this disk";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "; let this user write there, or set runtime.state_directory";
    case SQLITE_IOERR:
      return "; is the disk full or failing?";
    default:
      return "";
  }
}

// Messages stand in it, so it is its owner's alone, whatever the umask; SQLite gives its log the same
// permissions. It also tells why a file cannot be opened, which SQLite does not.
Result<void> make_file(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code failed;
  if (!folder.empty()) std::filesystem::create_directories(folder, failed);
  if (!failed) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) {
      (void)fchmod(file, 0600);  // one of an earlier version
      close(file);
      return {};
    }
    failed.assign(errno, std::generic_category());
  }
  const bool is_read_only = failed == std::errc::read_only_file_system;
  return error(
      "journal " + path + (is_read_only ? ": is read-only" : ": cannot be opened: " + failed.message()) +
      advice(SQLITE_CANTOPEN) + (is_read_only ? "; is the disk mounted read-only, after an error?" : ""));
}

}  // namespace

void Journal::CloseDatabase::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
void Journal::FinalizeStatement::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Journal::Journal(std::string path, Sync sync) : path_(std::move(path)), sync_(sync) {}

Journal::~Journal() {
  if (opened_ && has_staged()) (void)commit();
}

tl::unexpected<Error> Journal::failure(const std::string& doing) const {
  const int code = database_ ? sqlite3_extended_errcode(database_.get()) : SQLITE_CANTOPEN;
  std::string why = database_ ? sqlite3_errmsg(database_.get()) : "cannot be opened";
  if (const int system = database_ ? sqlite3_system_errno(database_.get()) : 0;
      system != 0 && ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN)) {
    why += " (" + std::generic_category().message(system) + ")";
  }
  return error("journal " + path_ + ": " + doing + ": " + why + advice(code));
}

Result<std::vector<Record>> Journal::open() {
  taken_ = false;
  std::vector<Record> left;
  for (int attempt = 0;; ++attempt) {
    left.clear();
    auto done = connect();
    if (done) done = read(&left);
    if (done) break;
    taken_ = database_ && (sqlite3_errcode(database_.get()) & 0xff) == SQLITE_BUSY;
    const bool damaged = set_aside_if_damaged();
    disconnect();
    if (!damaged || attempt > 0) return tl::make_unexpected(done.error());
  }
  opened_ = true;
  size_ = left.size();
  if (!left.empty()) next_row_ = left.back().row + 1;
  return left;
}

Result<void> Journal::connect() {
  if (auto made = make_file(path_); !made) return made;
  sqlite3* database = nullptr;
  const int opened = sqlite3_open_v2(
      path_.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  database_.reset(database);
  if (opened != SQLITE_OK) return failure("cannot be opened");
  int chunk = kStep;
  sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
  reserved_ = 0;
  auto done = execute(kSetUp);
  if (!done) return done;
  done = execute(sync_ == Sync::kMachine ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  if (!done) return done;
  for (const auto& [statement, sql] : std::initializer_list<std::pair<Statement*, const char*>>{
           {&begin_, "BEGIN IMMEDIATE"},
           // What failed and is tried again may be there.
           {&insert_, "INSERT OR REPLACE INTO record (row, bytes) VALUES (?1, ?2)"},
           {&annotate_, "UPDATE record SET addition = ?2 WHERE row = ?1"},
           {&delete_, "DELETE FROM record WHERE row BETWEEN ?1 AND ?2"},
           {&note_, "INSERT OR REPLACE INTO note (name, bytes) VALUES (?1, ?2)"},
           {&try_room_, "INSERT OR REPLACE INTO note (name, bytes) VALUES ('room', zeroblob(?1))"},
           {&pages_, "PRAGMA page_count"},
           {&commit_, "COMMIT"}}) {
    auto prepared = prepare(sql);
    if (!prepared) return tl::make_unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return {};
}

void Journal::disconnect() {
  for (Statement* each : {&begin_, &insert_, &annotate_, &delete_, &note_, &try_room_, &pages_, &commit_})
    each->reset();
  database_.reset();
}

Result<void> Journal::read(std::vector<Record>* left) {
  // A write at once: what can be read only is of no use.
  auto done = step(begin_.get());
  if (done) done = execute("UPDATE record SET openings = openings + 1");
  if (done) done = try_room(kRoom);
  if (done) done = reserve();
  if (done) done = step(commit_.get());
  if (!done) return done;
  auto records = prepare("SELECT row, bytes, addition, openings FROM record ORDER BY row");
  if (!records) return tl::make_unexpected(records.error());
  int code = SQLITE_OK;
  while ((code = sqlite3_step(records->get())) == SQLITE_ROW) {
    left->push_back({sqlite3_column_int64(records->get(), 0), blob(records->get(), 1),
                     blob(records->get(), 2), static_cast<uint32_t>(sqlite3_column_int(records->get(), 3))});
  }
  if (code != SQLITE_DONE) return failure("cannot be read");
  auto notes = prepare("SELECT name, bytes FROM note WHERE name <> 'room'");
  if (!notes) return tl::make_unexpected(notes.error());
  while ((code = sqlite3_step(notes->get())) == SQLITE_ROW)
    notes_[blob(notes->get(), 0)] = blob(notes->get(), 1);
  if (code != SQLITE_DONE) return failure("cannot be read");
  return {};
}

// What a failing disk or a foreign hand has left is kept for people, not for us.
bool Journal::set_aside_if_damaged() {
  const int code = database_ ? sqlite3_errcode(database_.get()) & 0xff : SQLITE_OK;
  if (code != SQLITE_CORRUPT && code != SQLITE_NOTADB) return false;
  disconnect();
  for (int n = 1; n < 1000; ++n) {
    const std::string name = path_ + ".damaged-" + std::to_string(n);
    std::error_code failed;
    if (std::filesystem::exists(name, failed)) continue;
    std::filesystem::rename(path_, name, failed);
    if (failed) return false;
    std::filesystem::remove(path_ + "-wal", failed);
    put_aside_ = name;
    return true;
  }
  return false;
}

Result<void> Journal::execute(const char* sql) {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  if ((sqlite3_errcode(database_.get()) & 0xff) == SQLITE_BUSY) {
    return error("journal " + path_ +
                 ": another process has it: is this process running twice, or do two sites share "
                 "runtime.state_directory?");
  }
  return failure("cannot be written");
}

Result<Journal::Statement> Journal::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK)
    return failure("cannot be read");
  return Statement(statement);
}

Result<void> Journal::step(sqlite3_stmt* statement) {
  const int code = sqlite3_step(statement);
  if (code == SQLITE_DONE) {
    sqlite3_reset(statement);
    return {};
  }
  auto failed = failure("cannot be written");
  sqlite3_reset(statement);
  return failed;
}

// --- what is staged

int64_t Journal::add(std::string bytes) {
  added_.push_back({next_row_, std::move(bytes)});
  ++size_;
  return next_row_++;
}

void Journal::annotate(int64_t row, std::string addition) { additions_[row] = std::move(addition); }

void Journal::remove(int64_t row) {
  removed_.push_back(row);
  --size_;
}

void Journal::set_note(const std::string& name, std::string bytes) {
  notes_[name] = bytes;
  staged_notes_[name] = std::move(bytes);
}

std::string Journal::note(const std::string& name) const {
  const auto found = notes_.find(name);
  return found == notes_.end() ? std::string() : found->second;
}

bool Journal::has_staged() const {
  return !added_.empty() || !additions_.empty() || !removed_.empty() || !staged_notes_.empty();
}

Result<void> Journal::commit() {
  if (!opened_) {
    size_ -= added_.size();
    added_.clear();
    return error("journal " + path_ + ": is not open");
  }
  auto done = write_staged();
  if (!done && refused_bytes_ == 0) {
    // The log may have taken the last room: what closes it writes it back, and there is some again.
    disconnect();
    done = write_staged();
  }
  if (!done) {
    std::size_t bytes = kRoom;
    for (const Added& each : added_) bytes += each.bytes.size();
    refused_bytes_ = std::max(refused_bytes_, bytes);
    size_ -= added_.size();
    if (!added_.empty()) {
      if (refused_from_ == 0) refused_from_ = added_.front().row;
      refused_to_ = added_.back().row;
    }
    added_.clear();
    disconnect();  // rolls back; and a new connection looks at the file as it is then
    return done;
  }
  added_.clear();
  additions_.clear();
  removed_.clear();
  staged_notes_.clear();
  refused_from_ = refused_to_ = 0;
  refused_bytes_ = 0;
  return {};
}

// Only what has been written as large shows that there is room again.
Result<void> Journal::try_room(std::size_t bytes) {
  sqlite3_bind_int64(try_room_.get(), 1, static_cast<int64_t>(bytes));
  return step(try_room_.get());
}

// Takes the room that the table will need when the log is written back to it: then that can be done, and the
// log be given up, on a disk that is full, which it may have filled itself.
Result<void> Journal::reserve() {
  if (sqlite3_step(pages_.get()) != SQLITE_ROW) return failure("cannot be read");
  const int64_t bytes = sqlite3_column_int64(pages_.get(), 0) * kPage;
  sqlite3_reset(pages_.get());
  if (bytes <= reserved_) return {};
  sqlite3_int64 hint = bytes;
  if (sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_SIZE_HINT, &hint) != SQLITE_OK)
    return error("journal " + path_ + ": cannot be written: " + sqlite3_errstr(SQLITE_FULL) +
                 advice(SQLITE_FULL));
  reserved_ = bytes;
  return {};
}

Result<void> Journal::delete_rows(int64_t first, int64_t last) {
  sqlite3_bind_int64(delete_.get(), 1, first);
  sqlite3_bind_int64(delete_.get(), 2, last);
  return step(delete_.get());
}

Result<void> Journal::write_staged() {
  auto done = database_ ? Result<void>() : connect();
  if (done) done = step(begin_.get());
  if (done && refused_bytes_ != 0) done = try_room(refused_bytes_);
  if (done && refused_from_ != 0) done = delete_rows(refused_from_, refused_to_);
  for (std::size_t i = 0; done && i < added_.size(); ++i) {
    sqlite3_bind_int64(insert_.get(), 1, added_[i].row);
    bind_bytes(insert_.get(), 2, added_[i].bytes);
    done = step(insert_.get());
  }
  for (auto each = additions_.begin(); done && each != additions_.end(); ++each) {
    sqlite3_bind_int64(annotate_.get(), 1, each->first);
    bind_bytes(annotate_.get(), 2, each->second);
    done = step(annotate_.get());
  }
  // Those that came together mostly end together: one statement for each row of consecutive numbers.
  std::sort(removed_.begin(), removed_.end());
  for (auto first = removed_.begin(); done && first != removed_.end();) {
    auto last = first;
    while (std::next(last) != removed_.end() && *std::next(last) == *last + 1) ++last;
    done = delete_rows(*first, *last);
    first = std::next(last);
  }
  for (auto each = staged_notes_.begin(); done && each != staged_notes_.end(); ++each) {
    sqlite3_bind_text(note_.get(), 1, each->first.c_str(), -1, SQLITE_STATIC);
    bind_bytes(note_.get(), 2, each->second);
    done = step(note_.get());
  }
  if (done) done = reserve();
  return done ? step(commit_.get()) : done;
}

}  // namespace stox::journal
