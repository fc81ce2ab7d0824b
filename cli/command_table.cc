// SPDX-License-Identifier: Apache-2.0
#include "cli/command_table.h"

namespace millrace {
namespace {

const FlagSpec kModule = {"--module", "FILE.so", "load jobs built with millrace_add_job()", true};
const FlagSpec kParallel = {"--parallel", "N", "tasks at once (default: the cores)"};
const FlagSpec kMemory = {"--memory", "SIZE",
                          "budget of the whole process, shared by its tasks (default 1GiB)"};
const FlagSpec kScratch = {"--scratch", "DIR", "where spills go (default: hidden beside OUT)"};
const FlagSpec kSplitSize = {"--split-size", "SIZE",
                             "what one map task reads (default: by input size and cores)"};
const FlagSpec kMaster = {"--master", "ENDPOINT", "the cluster: tcp://HOST:PORT of its master"};
const FlagSpec kAnyMaster = {"--master", "ENDPOINT",
                             "the cluster's master (default tcp://127.0.0.1:5801)"};
const FlagSpec kKeys = {"--keys", "DIR", "prove who this is: a folder that millrace keygen made"};
const FlagSpec kFormat = {"--format", "FORMAT", "what the files are, where their names don't tell"};
const FlagSpec kDate = {"--date", "YYYY-MM-DD", "for {date} in a pattern"};
const FlagSpec kQuiet = {"--quiet", "", "no progress, no summary: errors alone"};
const FlagSpec kLog = {"--log", "FILE", "append what it says to FILE, not to stderr"};
const FlagSpec kName = {"--name", "NAME", "which output, where the job has several"};

std::vector<CommandSpec> MakeCommands() {
  return {
      {"run",
       "JOB|FILE.toml",
       "run a job over input files",
       "  millrace run wordcount --input book.txt --output words\n"
       "  millrace run toplist --input 'logs/plays/{date}/*.tsv.zst' --date 2026-11-21 \\\n"
       "      --param k=10 --output out/2026-11-21\n"
       "  millrace run sort --input 'logs/**/*.gz' --output sorted --parts 8 --compress zstd\n"
       "  millrace run nightly.toml --date 2026-11-21\n"
       "\n"
       "A PATTERN is a file, a directory (all files below it) or a quoted glob (*, ?, [a-z], **).\n"
       "NAME= says which of the job's inputs it is for; without, it is the first one's.\n"
       "A job that reads columns reads any FORMAT that has them: csv (delimiter=;, header=no), "
       "jsonl,\n"
       "accesslog, pgdump, mysqldump, mysqltab, protobuf, tsv; `dump.sql#TABLE` is a table of a "
       "dump.\n"
       "Where a file calls a column otherwise: --param COLUMN=NAME, or its number.\n"
       "DIR appears whole, with its _manifest.json, or not at all. If it is there already and "
       "made\n"
       "from the same inputs, code and parameters, nothing is done.\n"
       "\n"
       "With --master a cluster does it, to the same bytes: its machines must see the inputs and\n"
       "DIR under the same paths. The same command again follows a run that is under way.\n"
       "\n"
       "FILE.toml says the same: job = \"toplist\", a flag a line (parts = 4), NAME=VALUE in a\n"
       "[table]. Flags behind it win; with --dry-run it prints the command line it amounts to.\n",
       {{"--input", "[NAME=]PATTERN",
         "what to read; several may follow, each with its NAME=", true},
        {"--format", "[NAME=]FORMAT", "what the files are, where their names don't tell", true},
        {"--output", "DIR", "where the result goes"},
        {"--param", "K=V", "a parameter of the job", true},
        {"--date", "YYYY-MM-DD", "the logical date, also for {date} in --input, --output"},
        kModule,
        kParallel,
        kMemory,
        kScratch,
        kSplitSize,
        {"--parts", "N", "part files (default: one per 256MiB of input, at most 1000)"},
        {"--compress", "none|zstd|gzip", "how part files are compressed (default none)"},
        {"--output-format", "tsv|csv|jsonl|parquet",
         "what rows of columns are written as (default tsv)"},
        {"--max-rejects", "N|P%", "bad records to set aside before the run fails (default 0)"},
        kMaster,
        kKeys,
        {"--detach", "", "with --master: print the run's name once it is taken, and leave"},
        {"--isolate", "", "each task in a process of its own: a crash costs a record, no run"},
        {"--check-determinism", "", "run each task twice, compare, name the first difference"},
        {"--dry-run", "", "check everything, say what would be executed, and stop"},
        {"--force", "", "always run, and replace what is at DIR"},
        {"--json", "", "a JSON object as the last line of stdout"},
        kQuiet}},
      {"jobs",
       "[JOB]",
       "list the jobs, or one job's inputs, outputs and parameters",
       "  millrace jobs\n"
       "  millrace jobs toplist --graph\n"
       "  millrace jobs toplist --dot | dot -Tsvg > toplist.svg\n",
       {{"--graph", "", "also show the job's stages, what feeds them and where their records go"},
        {"--dot", "", "print the job's graph alone, as Graphviz reads it"},
        kModule}},
      {"cat",
       "OUT",
       "print an output's records in order, decompressed",
       "  millrace cat out | sort -k4nr | less\n",
       {kName}},
      {"head",
       "OUT",
       "print the first records of an output, or of files in any format",
       "  millrace head out -n 3\n"
       "  millrace head users.csv\n"
       "  millrace head 'dump.sql#public.users' -n 100\n"
       "\n"
       "Records of a file are printed as TSV, with all columns; their names go to stderr.\n",
       {{"--lines", "N", "how many (default 10)", false, "-n"}, kName, kFormat, kDate}},
      {"schema",
       "PATTERN",
       "show what is in files: format, columns, what these hold, and how files differ",
       "  millrace schema users.csv\n"
       "  millrace schema 'dump.sql#public.users'\n"
       "  millrace schema 'logs/{date}/*.jsonl.gz' --date 2026-11-21\n"
       "\n"
       "Looks at the first 10,000 records of each file. Of several files the first is the "
       "measure:\n"
       "of the others it tells which columns are new, gone, elsewhere or of another kind, and "
       "ends\n"
       "with exit code 1 if there are any.\n",
       {kFormat, kDate, {"--json", "", "a JSON object for each file"}}},
      {"verify",
       "OUT",
       "compare an output, and its inputs, with the manifest's hashes",
       "  millrace verify out\n"
       "\n"
       "Exit code 65 if any file is damaged, missing or not listed, or an input changed. An input\n"
       "that is gone is only noted.\n",
       {kParallel, kQuiet}},
      {"rerun",
       "OUT",
       "run an output's plan again and compare byte for byte",
       "  millrace rerun out\n"
       "  millrace rerun out --into again --parallel 1\n"
       "\n"
       "Prints `identical`, or says what differs and exits with 65. OUT is only read.\n",
       {{"--into", "DIR", "keep the new output here"},
        kModule,
        kParallel,
        kMemory,
        kScratch,
        kSplitSize,
        kQuiet}},
      {"master",
       "",
       "coordinate a cluster: take runs, give their tasks to workers",
       "  millrace master --listen tcp://127.0.0.1:5801 --state /var/lib/millrace/master\n"
       "\n"
       "Prints the endpoint it listens at; a port `*` is any free one. DIR holds its journal: a\n"
       "master that is started again with it goes on where the last one stopped, and loses\n"
       "nothing. Without keys it listens on this machine alone; with them\n"
       "\n"
       "  millrace keygen keys\n"
       "  millrace master --listen 'tcp://*:5801' --state /var/lib/millrace/master --keys keys\n"
       "\n"
       "serves those on the list keys/master/allowed.keys, and turns all others away.\n"
       "\n"
       "DIR/events/RUN.jsonl tells what became of each run, event by event.\n",
       {{"--listen", "ENDPOINT", "where workers and clients find it: tcp://127.0.0.1:5801"},
        {"--state", "DIR", "its journal; on a disk that survives the machine's restarts"},
        kKeys,
        {"--heartbeat", "MS", "a worker silent for two of them is lost (default 2000)"},
        kLog,
        {"--exit-on-stdin-eof", "", "end when stdin does: for those who start it over ssh"},
        kQuiet}},
      {"worker",
       "",
       "work for a cluster's master: execute tasks, hold and serve what they leave",
       "  millrace worker --master tcp://127.0.0.1:5801 --spool /var/tmp/millrace\n"
       "  millrace worker --master tcp://127.0.0.1:5801 --spool /data/spool --slots 8 --memory "
       "16G\n"
       "\n"
       "Each task runs in a process of its own. DIR is on this machine; several workers may share\n"
       "it, and what a killed one left is cleared by the next. The worker waits for its master, "
       "also\n"
       "while that is being restarted.\n"
       "\n"
       "SIGTERM drains it: it finishes what it is at, serves what others still need, an hour at\n"
       "most, and leaves. A second one, or Ctrl-C, ends it at once: others do its tasks again.\n"
       "\n"
       "Exit code 69: the master refuses it, for it is of another build. Both must be the same.\n",
       {kMaster,
        kKeys,
        {"--spool", "DIR", "what tasks leave and fetch; on a fast local disk"},
        {"--spool-size", "SIZE", "beyond, it takes no new tasks (default: half of what is free)"},
        {"--slots", "N", "tasks at once (default: the cores)"},
        {"--memory", "SIZE", "of all tasks together, in equal shares (default 1GiB)"},
        {"--listen", "ENDPOINT",
         "for other workers (default: a free port, of 127.0.0.1 without --keys)"},
        {"--advertise", "ENDPOINT", "where they find it, if elsewhere: a forwarded port"},
        {"--no-progress-timeout", "S", "a task that stands still for so long fails (default 600)"},
        {"--no-sandbox", "", "tasks may do all that this user may, say talk to a database"},
        {"--allow-read", "PATH", "tasks may read this file or folder, too", true},
        {"--allow-write", "PATH", "tasks may read and write it", true},
        {"--no-direct-reads", "", "fetch over sockets on one machine, too: for tests"},
        kLog,
        {"--exit-on-stdin-eof", "", "end when stdin does: for those who start it over ssh"},
        kQuiet}},
      {"status",
       "[RUN]",
       "what a cluster is at: its runs and workers, or one run",
       "  millrace status\n"
       "  millrace status --master tcp://10.0.0.1:5801 toplist-8c2f90ab11de07f3\n",
       {kAnyMaster, kKeys, {"--json", "", "as JSON"}}},
      {"watch",
       "[RUN]",
       "follow a run of a cluster to its end; its exit code is the run's",
       "  millrace watch --master tcp://10.0.0.1:5801 toplist-8c2f90ab11de07f3\n"
       "\n"
       "Without RUN: the only one that is open. Ctrl-C stops watching, not the run.\n",
       {kAnyMaster, kKeys, kQuiet}},
      {"cancel",
       "RUN",
       "end a run of a cluster; it publishes nothing",
       "  millrace cancel --master tcp://10.0.0.1:5801 toplist-8c2f90ab11de07f3\n",
       {kAnyMaster, kKeys}},
      {"keygen",
       "DIR",
       "make the keys of a cluster, or one more",
       "  millrace keygen keys\n"
       "  millrace keygen keys --add worker=rack7\n"
       "\n"
       "Makes keys/master for the master's host, keys/worker for those of workers, keys/submitter\n"
       "for people and programs that submit runs. Copy each to where it is needed, and to nowhere\n"
       "else; keep the rest safe. All commands that connect take the folder: --keys DIR.\n"
       "\n"
       "To revoke a key, remove its line from keys/master/allowed.keys on the master's host: it "
       "is\n"
       "refused within a second. A worker's, and a signer's, stand in those of workers, too.\n",
       {{"--add", "ROLE=NAME", "one more worker, submitter or viewer, in DIR/NAME"}}},
      {"completion",
       "SHELL",
       "print a completion script for bash, zsh or fish",
       "  millrace completion bash > ~/.local/share/bash-completion/completions/millrace\n"
       "  millrace completion zsh > ~/.zfunc/_millrace\n"
       "  millrace completion fish > ~/.config/fish/completions/millrace.fish\n",
       {}},
  };
}

// "  left   right", padded to a common column.
std::string Row(const std::string& left, const std::string& right, std::size_t width) {
  const std::size_t padding = left.size() < width ? width - left.size() : 1;
  return "  " + left + std::string(padding, ' ') + right + "\n";
}

std::string Usage(const CommandSpec& command) {
  return "millrace " + command.name + (command.argument.empty() ? "" : " " + command.argument);
}

}  // namespace

const std::vector<CommandSpec>& Commands() {
  static const std::vector<CommandSpec> kCommands = MakeCommands();
  return kCommands;
}

const CommandSpec* FindCommand(std::string_view name) {
  for (const CommandSpec& command : Commands()) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string HelpText() {
  std::string text =
      "millrace: yesterday's logs in, today's toplists out.\n"
      "\n"
      "  millrace run wordcount --input book.txt --output words   count the words of a file\n"
      "  millrace cat words                                       look at the result\n"
      "  millrace jobs                                            what else there is\n"
      "\n"
      "Commands:\n";
  for (const CommandSpec& command : Commands()) {
    text += Row(command.name + (command.argument.empty() ? "" : " " + command.argument),
                command.summary, 20);
  }
  text +=
      "\n"
      "`millrace COMMAND --help` shows a command's flags. `millrace --version` prints the "
      "version.\n"
      "\n"
      "Sizes are written 64M, 2GiB, 512k: units of 1024.\n"
      "\n"
      "Exit codes:\n"
      "  0    done, or already done\n"
      "  1    the run failed, a retry may help (disk full, out of memory)\n"
      "  64   wrong usage\n"
      "  65   bad data: unreadable input, too many rejects, verify or rerun found a difference\n"
      "  66   an input is missing\n"
      "  69   the cluster can't be reached, or refuses\n"
      "  70   the job's code failed, or isn't deterministic\n"
      "  73   the output can't be created, or something else is in its place\n"
      "  75   another run writes this output: try later\n"
      "  130  interrupted, 143 terminated\n";
  return text;
}

std::string HelpText(const CommandSpec& command) {
  std::string text = Usage(command) + ": " + command.summary + "\n\n" + command.details;
  if (command.flags.empty()) return text;
  text += "\nFlags:\n";
  for (const FlagSpec& flag : command.flags) {
    const std::string name =
        flag.short_name.empty() ? flag.name : flag.short_name + ", " + flag.name;
    text += Row(name + (flag.value.empty() ? "" : " " + flag.value),
                flag.help + (flag.repeats ? "; repeatable" : ""), 28);
  }
  return text;
}

}  // namespace millrace
