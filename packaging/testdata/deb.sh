# SPDX-License-Identifier: Apache-2.0
#
# Runs in a root file system of its own: see install_test.go.

fail() {
	echo "$*" >&2
	exit 1
}
# Images of containers leave documentation out.
install() { dpkg --path-include='/usr/share/*' -i /package; }

# Where systemd does not run, nothing is asked of it.
install
[[ ! -e /systemctl.log ]] || fail "systemctl was asked: $(cat /systemctl.log)"
getent group drawbridge drawbridge-read >/dev/null || fail "the groups are not there"
[[ $(drawbridge version) == drawbridge* ]] || fail "the binary does not run"
drawbridge check --config /usr/share/doc/drawbridge/examples/drawbridge.yaml >/dev/null || fail "the example is faulty"
[[ ! -e /etc/drawbridge/drawbridge.yaml ]] || fail "there is a configuration that nobody wrote"
for file in /usr/share/man/man8/drawbridge.8.gz /usr/share/man/man8/drawbridge-doctor.8.gz /usr/share/man/man5/drawbridge.yaml.5.gz \
	/usr/share/bash-completion/completions/drawbridge /usr/share/zsh/vendor-completions/_drawbridge \
	/usr/share/fish/vendor_completions.d/drawbridge.fish /usr/lib/systemd/system/drawbridge.service \
	/usr/share/doc/drawbridge/docs/tutorial.md /usr/share/doc/drawbridge/copyright; do
	[[ -s $file ]] || fail "$file is not there"
done
completed=$(bash -c 'source /usr/share/bash-completion/bash_completion 2>/dev/null || true
	source /usr/share/bash-completion/completions/drawbridge && type -t __start_drawbridge')
[[ $completed == function ]] || fail "the completion defines nothing"

# Where it runs: an upgrade restarts a daemon that ran. Nothing is started or enabled.
mkdir -p /run/systemd/system
install
[[ $(cat /systemctl.log) == $'daemon-reload\ntry-restart drawbridge.service' ]] || fail "an upgrade asked: $(cat /systemctl.log)"

# Configuration and state outlive a removal; a purge takes the state.
echo 'gateway: {}' >/etc/drawbridge/drawbridge.yaml
mkdir -p /var/lib/drawbridge
rm /systemctl.log
dpkg -r drawbridge
[[ $(cat /systemctl.log) == $'disable --now drawbridge.service\ndaemon-reload' ]] || fail "removing asked: $(cat /systemctl.log)"
[[ -e /etc/drawbridge/drawbridge.yaml && -d /var/lib/drawbridge ]] || fail "removing took configuration or state"
[[ ! -e /usr/bin/drawbridge ]] || fail "the binary is left"
dpkg -P drawbridge
[[ ! -e /var/lib/drawbridge ]] || fail "purging left the state"
