// SPDX-License-Identifier: Apache-2.0
#ifndef CLI_RUN_REPORT_H_
#define CLI_RUN_REPORT_H_

#include <string>

#include "mapreduce/engine/run.h"

namespace millrace {

/// What a finished run did, and the table of where its time and bytes went: for stderr.
std::string RunReport(const RunSummary& summary);

/// What a dry run found out, also that the output is up to date: for stdout.
std::string DryRunReport(const RunSummary& summary);

}  // namespace millrace

#endif  // CLI_RUN_REPORT_H_
