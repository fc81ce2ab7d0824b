// SPDX-License-Identifier: Apache-2.0
// Nothing: the target that precompiles headers for all tests needs a source.
