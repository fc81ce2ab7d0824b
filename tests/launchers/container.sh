#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deploy/container: the packages of the image are those that the executable needs. With
# MILLRACE_TEST_TIER=long also, in a bare Debian 12 that is fetched with debootstrap, that it runs
# with these and nothing else; the image as such is built by hand.
#
#   container.sh MILLRACE SOURCE_DIR
source "$(dirname "$0")/lib.sh"
needs objdump ldd dpkg
millrace=$1 file=$2/deploy/container/Containerfile
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-container-XXXXXX")
trap 'rm -rf "$work"' EXIT

# What the second stage installs: the lines between its apt-get install and the next command.
sed '1,/AS build/d' "$file" | sed '1,/^FROM /d' | sed -n '/apt-get install/,/&& rm/p' |
  sed -n 's/^  *\([a-z0-9.+-]*\) \\$/\1/p' | sort > "$work/installed"
# The packages of what it is linked with itself; those of these in turn are their dependencies.
objdump -p "$millrace" | sed -n 's/^ *NEEDED *//p' | while read -r name; do
  path=$(ldd "$millrace" | sed -n "s|^[[:space:]]*$name => \([^ ]*\) .*|\1|p")
  if [ -z "$path" ]; then continue; fi # the dynamic loader
  { dpkg -S "$path" || dpkg -S "/usr$path" || dpkg -S "$(readlink -f "$path")"; } 2> /dev/null |
    sed 's/:.*//' | head -n 1
done | sort -u | grep -vx libc6 > "$work/needed"
[ -s "$work/needed" ] || skip "needs a Debian, whose packages are compared"
diff "$work/needed" "$work/installed" || fail "needed, and what $file installs"

if [ "${MILLRACE_TEST_TIER:-}" != long ]; then exit 0; fi
needs debootstrap chroot
if [ "$(id -u)" != 0 ]; then skip "needs root, for debootstrap"; fi
echo "a bare Debian 12 with these packages"
debootstrap --variant=minbase --include="$(paste -sd, "$work/installed")" bookworm "$work/root" \
  > "$work/debootstrap.log" 2>&1 ||
  skip "needs a mirror of Debian: $(tail -n 1 "$work/debootstrap.log")"
install -m 755 "$millrace" "$work/root/usr/local/bin/millrace"
mkdir "$work/root/data"
chown 10001:10001 "$work/root/data"
printf 'b\na\n' > "$work/root/data/lines.txt"
inside() { chroot --userspec=10001:10001 "$work/root" /usr/local/bin/millrace "$@"; }
inside run wordcount --input /data/lines.txt --output /data/words --quiet || fail "millrace run"
expect "the output" "a	1 b	1" "$(inside cat /data/words | xargs -d '\n')"
inside keygen /data/keys > /dev/null || fail "millrace keygen"
