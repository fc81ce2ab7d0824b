// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_JSON_REPORT_H_
#define CLI_JSON_REPORT_H_

// The last line of stdout under --json:
//
//   {"status":"done","exit":0,"error":null,"run":"toplist-3f2a…","output":"out","records_in":9,
//    "bytes_in":120,"records_out":3,"rejects":0,"tasks_run":2,"tasks_reused":0,"seconds":0.01}
//
// A dry run also has the member `plan`, unless the output is up to date.

#include <string>

#include "mapreduce/engine/run.h"

namespace millrace {

/// Of a run that ended well: status "done" or "up_to_date". With the final newline.
std::string JsonReport(const RunSummary& summary);

/// Of a run that failed; `seconds` since it began.
std::string JsonFailure(int exit_code, const std::string& error, const std::string& output,
                        double seconds);

}  // namespace millrace

#endif  // CLI_JSON_REPORT_H_
