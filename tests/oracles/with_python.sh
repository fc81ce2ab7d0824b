#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# with_python.sh SCRIPT ARGUMENT...: runs a script of this folder. Without python3, zstd
# or xxhsum the test is skipped, or fails where MILLRACE_TEST_ALL says that all tools are there.
script=$1
shift
for tool in python3 zstd xxhsum; do
  if ! command -v "$tool" > /dev/null; then
    echo "skipped: needs $tool; with MILLRACE_TEST_ALL=1 a failure" >&2
    if [ -n "${MILLRACE_TEST_ALL:-}" ]; then exit 1; else exit 77; fi
  fi
done
PYTHONDONTWRITEBYTECODE=1 exec python3 "$(dirname "$0")/$script" "$@"
