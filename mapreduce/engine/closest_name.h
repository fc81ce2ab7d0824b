// SPDX-License-Identifier: Apache-2.0
#ifndef MAPREDUCE_ENGINE_CLOSEST_NAME_H_
#define MAPREDUCE_ENGINE_CLOSEST_NAME_H_

// "did you mean": the known name that is nearest to what was typed.

#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// "; did you mean toplist?", or "" where no name is near: at most a third of the longer one's
/// letters may differ (swapped neighbours count once), or `typed` begins exactly one name. Of
/// several equally near ones the first.
std::string DidYouMean(std::string_view typed, const std::vector<std::string>& names);

}  // namespace millrace

#endif  // MAPREDUCE_ENGINE_CLOSEST_NAME_H_
