# SPDX-License-Identifier: Apache-2.0
#
# Runs in a root file system of its own: see install_test.go.

fail() {
	echo "$*" >&2
	exit 1
}

rpm -i --nodeps /package
[[ ! -e /systemctl.log ]] || fail "systemctl was asked: $(cat /systemctl.log)"
getent group drawbridge drawbridge-read >/dev/null || fail "the groups are not there"
[[ $(drawbridge version) == drawbridge* ]] || fail "the binary does not run"
for file in /usr/share/man/man8/drawbridge.8.gz /usr/share/zsh/site-functions/_drawbridge /usr/lib/systemd/system/drawbridge.service; do
	[[ -s $file ]] || fail "$file is not there"
done

mkdir -p /run/systemd/system
rpm -U --nodeps --force /package
! grep -E '^(start|enable|disable)' /systemctl.log || fail "an upgrade asked: $(cat /systemctl.log)"

rpm -e drawbridge
grep -q '^disable --now drawbridge.service$' /systemctl.log || fail "removing did not stop the daemon: $(cat /systemctl.log)"
[[ ! -e /usr/bin/drawbridge ]] || fail "the binary is left"
