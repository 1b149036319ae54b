#!/usr/bin/env bats
# shellcheck disable=SC2016 # jq and shells of start-up files expand what stands in single quotes
# Every place where something starts by itself, in one root that is made here and never runs.
# What an entry starts is /opt/pNAME; benign neighbours start nothing of that kind.

# put PATH [MODE]: standard input as that file of the root
put() {
	mkdir -p "$(dirname "$R$1")"
	cat >"$R$1"
	chmod "${2:-644}" "$R$1"
}

# program NAME...: scripts /opt/pNAME, all different
program() {
	local n
	mkdir -p "$R/opt"
	for n; do
		printf '#!/bin/sh\n# %s\n' "$n" >"$R/opt/p$n"
		chmod 755 "$R/opt/p$n"
	done
}

# want PROGRAM PLACE FILE TEXT [SIGN...]: noted; NAME without a slash is /opt/pNAME
want() {
	local IFS=$'\x1f'
	printf '%s\n' "$*" >>"$BATS_FILE_TMPDIR/wanted"
}

lines() { printf '%s\n' "$@"; }

make_places() {
	# ---- cron ----
	program incron periodic atjob
	lines '/tmp IN_CREATE /opt/pincron $@' | put /var/spool/incron/root
	want incron cron /var/spool/incron/root '/tmp IN_CREATE /opt/pincron $@' startup-cron
	lines '#!/bin/sh' '/opt/pperiodic' | put /etc/periodic/daily/x 755
	want periodic cron /etc/periodic/daily/x /opt/pperiodic startup-cron
	lines '#!/bin/sh' 'HOME=/root; export HOME' 'cd /opt || exit 1' './patjob' | put /var/spool/cron/atjobs/a0001 700
	want atjob cron /var/spool/cron/atjobs/a0001 ./patjob startup-cron

	# ---- systemd ----
	program reset afterreset specifier relative accept generator environmentfile udrop sleep instance search
	lines '[Service]' 'ExecStart=/opt/preset' 'ExecStart=' 'ExecStart=-/opt/pafterreset' 'EnvironmentFile=-/etc/default/x' |
		put /etc/systemd/system/reset.service
	want afterreset systemd /etc/systemd/system/reset.service 'ExecStart=-/opt/pafterreset' startup-systemd
	cp "$R/opt/penvironmentfile" "$R/opt/env.so"
	lines '# LD_PRELOAD=/opt/no.so' 'LD_PRELOAD="/opt/env.so"' | put /etc/default/x
	want /opt/env.so systemd /etc/default/x 'LD_PRELOAD="/opt/env.so"' preload-startup
	lines '[Service]' 'ExecStart=%h/pspecifier %i' | put /home/u/.config/systemd/user/s@.service
	cp "$R/opt/pspecifier" "$R/home/u/pspecifier"
	want specifier systemd /home/u/.config/systemd/user/s@.service 'ExecStart=%h/pspecifier %i' startup-systemd startup-user
	lines '[Service]' 'WorkingDirectory=/opt' 'ExecStart=/bin/sh prelative' | put /etc/systemd/system/relative.service
	want relative systemd /etc/systemd/system/relative.service 'ExecStart=/bin/sh prelative'
	lines '[Socket]' 'ListenStream=1' 'Accept=yes' | put /etc/systemd/system/acc.socket
	lines '[Service]' 'ExecStart=!/opt/paccept' | put /etc/systemd/system/acc@.service
	want accept systemd /etc/systemd/system/acc.socket '' startup-systemd
	lines '#!/bin/sh' /opt/pgenerator | put /etc/systemd/system-generators/g 755
	want generator systemd /etc/systemd/system-generators/g /opt/pgenerator
	lines '[Timer]' 'Unit=i@x.service' | put /etc/systemd/system/i.timer
	lines '[Service]' 'ExecStart=/opt/pinstance' | put /etc/systemd/system/i@.service
	want instance systemd /etc/systemd/system/i.timer '' startup-systemd
	lines '[Service]' 'ExecSearchPath=/opt' 'ExecStart=+psearch' 'Environment="LD_PRELOAD=/opt/unit.so"' | put /etc/systemd/system/x.service.d/o.conf
	want search systemd /etc/systemd/system/x.service.d/o.conf 'ExecStart=+psearch'
	printf 'unit' | put /opt/unit.so
	want /opt/unit.so systemd /etc/systemd/system/x.service.d/o.conf 'Environment="LD_PRELOAD=/opt/unit.so"' preload-startup
	lines '#!/bin/sh' '/opt/psleep' | put /usr/lib/systemd/system-sleep/s 755
	want sleep systemd /usr/lib/systemd/system-sleep/s /opt/psleep

	# ---- init ----
	program runit supervisor acpi cloud upstart rclocal
	lines '#!/bin/sh' 'exec chpst -u x /opt/prunit' | put /etc/sv/x/run 755
	want runit init /etc/sv/x/run 'exec chpst -u x /opt/prunit' startup-init
	lines '[program:x]' 'command = /opt/psupervisor -x' | put /etc/supervisor/conf.d/x.conf
	want supervisor init /etc/supervisor/conf.d/x.conf 'command = /opt/psupervisor -x' startup-init
	lines 'event=button/power' 'action=/opt/pacpi' | put /etc/acpi/events/x
	want acpi init /etc/acpi/events/x 'action=/opt/pacpi'
	lines '#!/bin/sh' /opt/pcloud | put /var/lib/cloud/scripts/per-boot/x 755
	want cloud init /var/lib/cloud/scripts/per-boot/x /opt/pcloud
	lines 'start on startup' 'exec /opt/pupstart' | put /etc/init/x.conf
	want upstart init /etc/init/x.conf 'exec /opt/pupstart'
	lines '#!/bin/sh' 'su root -c "/opt/prclocal x"' | put /etc/rc.d/rc.local 755
	want rclocal rc /etc/rc.d/rc.local 'su root -c "/opt/prclocal x"' startup-rc

	# ---- shells ----
	program fish csh trap alias prompt tmux completion bashenv
	lines 'set -gx X y' /opt/pfish | put /home/u/.config/fish/conf.d/x.fish
	want fish profile /home/u/.config/fish/conf.d/x.fish /opt/pfish startup-profile startup-user
	lines 'setenv X y' /opt/pcsh | put /root/.cshrc
	want csh profile /root/.cshrc /opt/pcsh startup-profile
	lines "trap '/opt/ptrap x' EXIT" "alias sudo='/opt/palias'" 'PROMPT_COMMAND="/opt/pprompt"' 'export BASH_ENV=/opt/pbashenv' |
		put /root/.bash_login
	want trap profile /root/.bash_login "trap '/opt/ptrap x' EXIT"
	want alias profile /root/.bash_login "alias sudo='/opt/palias'"
	want prompt profile /root/.bash_login 'PROMPT_COMMAND="/opt/pprompt"'
	want bashenv profile /root/.bash_login 'export BASH_ENV=/opt/pbashenv'
	lines 'set -g status off' 'run-shell "/opt/ptmux &"' | put /home/u/.tmux.conf
	want tmux profile /home/u/.tmux.conf 'run-shell "/opt/ptmux &"'
	lines /opt/pcompletion | put /etc/bash_completion.d/x
	want completion profile /etc/bash_completion.d/x /opt/pcompletion
	mkdir -p "$R/usr/bin" "$R/opt/first"
	for n in ls sh; do printf 'system %s' "$n" | put "/usr/bin/$n" 755; done
	printf 'other ls' | put /opt/first/ls 755
	printf 'no system program' | put /opt/first/own 755
	lines 'PATH=/opt/first:$PATH' | put /etc/profile.d/path.sh
	want /opt/first/ls profile /etc/profile.d/path.sh 'PATH=/opt/first:$PATH' path-shadows
	lines 'root:x:0:0::/root:/bin/sh' 'u:x:1000:1000::/home/u:/bin/sh' 'd:x:2:2::/nonexistent:/usr/sbin/nologin' \
		'b:x:0:0::/home/b:/opt/plogin' | put /etc/passwd
	program login motd
	want login login /etc/passwd 'b:x:0:0::/home/b:/opt/plogin' startup-login
	lines '#!/bin/sh' 'nohup setsid /opt/pmotd &' | put /etc/update-motd.d/99-x 755
	want motd motd /etc/update-motd.d/99-x 'nohup setsid /opt/pmotd &' startup-motd

	# ---- variables ----
	printf 'environment' | put /opt/environment.so
	lines '# LD_PRELOAD=/opt/no.so' 'LD_PRELOAD=/opt/environment.so' | put /etc/environment
	want /opt/environment.so environment /etc/environment 'LD_PRELOAD=/opt/environment.so' preload-startup startup-environment
	printf 'pamenv' | put /opt/pamenv.so
	lines 'LD_PRELOAD DEFAULT=/opt/pamenv.so' | put /home/u/.pam_environment
	want /opt/pamenv.so environment /home/u/.pam_environment 'LD_PRELOAD DEFAULT=/opt/pamenv.so' preload-startup startup-user
	printf 'audit' | put /home/u/audit.so
	lines 'export LD_AUDIT="$HOME/audit.so"' | put /home/u/.zprofile
	want /home/u/audit.so profile /home/u/.zprofile 'export LD_AUDIT="$HOME/audit.so"' preload-startup
	printf 'node' | put /opt/hook.js
	lines 'NODE_OPTIONS="--require /opt/hook.js"' | put /etc/environment.d/n.conf
	want /opt/hook.js environment /etc/environment.d/n.conf 'NODE_OPTIONS="--require /opt/hook.js"' startup-environment

	# ---- loader, names, PAM, polkit ----
	printf 'system libz' | put /usr/lib/x86_64-linux-gnu/libz.so.1
	printf 'other libz' | put /opt/lib/libz.so.1
	printf 'own library' | put /opt/lib/libown.so.1
	lines '# /opt/no' /opt/lib | put /etc/ld.so.conf.d/a.conf
	want /opt/lib/libz.so.1 linker /etc/ld.so.conf.d/a.conf /opt/lib library-shadows startup-linker
	printf 'nss' | put /opt/lib/libnss_evil.so.2
	lines 'passwd: files [NOTFOUND=return] evil # x' | put /etc/nsswitch.conf
	want /opt/lib/libnss_evil.so.2 nss /etc/nsswitch.conf 'passwd: files [NOTFOUND=return] evil # x' startup-nss
	printf 'pam' | put /usr/lib/x86_64-linux-gnu/security/pam_x.so
	program pamexec pamscript polkit
	lines 'auth [success=1 default=ignore] pam_x.so nullok' '-session optional pam_missing.so' \
		'session optional pam_exec.so quiet expose_authtok /opt/ppamexec a' '@include common-auth' \
		'account required \' ' /opt/ppamscript' | put /etc/pam.d/sshd
	want /usr/lib/x86_64-linux-gnu/security/pam_x.so pam /etc/pam.d/sshd 'auth [success=1 default=ignore] pam_x.so nullok' startup-pam
	want pamexec pam /etc/pam.d/sshd 'session optional pam_exec.so quiet expose_authtok /opt/ppamexec a' startup-pam
	want pamscript pam /etc/pam.d/sshd 'account required \' startup-pam
	lines 'polkit.addRule(function(action, subject) {' '  polkit.spawn(["/opt/ppolkit", "a b"]);' '});' | put /etc/polkit-1/rules.d/x.rules
	want polkit polkit /etc/polkit-1/rules.d/x.rules '  polkit.spawn(["/opt/ppolkit", "a b"]);' startup-polkit

	# ---- desktops and buses ----
	program xsession kdeenv i3 lightdm dbus sessiondesktop gdm
	lines /opt/pxsession | put /etc/X11/Xsession.d/99x
	want xsession autostart /etc/X11/Xsession.d/99x /opt/pxsession startup-autostart
	lines /opt/pkdeenv | put /home/u/.config/plasma-workspace/env/x.sh
	want kdeenv autostart /home/u/.config/plasma-workspace/env/x.sh /opt/pkdeenv startup-user
	lines 'bindsym x kill' 'exec --no-startup-id /opt/pi3' | put /home/u/.config/i3/config
	want i3 autostart /home/u/.config/i3/config 'exec --no-startup-id /opt/pi3'
	lines '[Seat:*]' 'session-setup-script=/opt/plightdm' | put /etc/lightdm/lightdm.conf
	want lightdm autostart /etc/lightdm/lightdm.conf 'session-setup-script=/opt/plightdm'
	lines '[D-BUS Service]' 'Name=a.b' 'Exec=/opt/pdbus --x' | put /usr/share/dbus-1/system-services/a.b.service
	want dbus dbus /usr/share/dbus-1/system-services/a.b.service 'Exec=/opt/pdbus --x' startup-dbus
	lines '[Desktop Entry]' 'Exec=/opt/psessiondesktop' | put /usr/share/xsessions/x.desktop
	want sessiondesktop autostart /usr/share/xsessions/x.desktop 'Exec=/opt/psessiondesktop'
	lines '#!/bin/sh' /opt/pgdm | put /etc/gdm3/PostLogin/Default 755
	want gdm autostart /etc/gdm3/PostLogin/Default /opt/pgdm

	# ---- ssh ----
	program key sshrc force keyscommand subsystem proxy match
	lines '# command="/opt/pno"' 'ssh-ed25519 AAAA command="/opt/pno"' 'no-pty,command="/opt/pkey \"a b\"" ssh-ed25519 AAAA x' \
		'environment="LD_PRELOAD=/opt/key.so" ssh-rsa AAAA' | put /home/u/.ssh/authorized_keys
	want key ssh /home/u/.ssh/authorized_keys 'no-pty,command="/opt/pkey \"a b\"" ssh-ed25519 AAAA x' startup-ssh startup-user
	printf 'key' | put /opt/key.so
	want /opt/key.so ssh /home/u/.ssh/authorized_keys 'environment="LD_PRELOAD=/opt/key.so" ssh-rsa AAAA' preload-startup
	lines /opt/psshrc | put /root/.ssh/rc
	want sshrc ssh /root/.ssh/rc /opt/psshrc startup-ssh
	lines '#ForceCommand /opt/pno' 'forcecommand /opt/pforce x' 'AuthorizedKeysCommand /opt/pkeyscommand %u' 'Subsystem sftp internal-sftp' \
		'Subsystem x /opt/psubsystem' | put /etc/ssh/sshd_config
	want force ssh /etc/ssh/sshd_config 'forcecommand /opt/pforce x' startup-ssh
	want keyscommand ssh /etc/ssh/sshd_config 'AuthorizedKeysCommand /opt/pkeyscommand %u'
	want subsystem ssh /etc/ssh/sshd_config 'Subsystem x /opt/psubsystem'
	lines 'Host *' ' ProxyCommand /opt/pproxy %h' 'Match host x exec "/opt/pmatch"' | put /root/.ssh/config
	want proxy ssh /root/.ssh/config ' ProxyCommand /opt/pproxy %h' startup-user
	want match ssh /root/.ssh/config 'Match host x exec "/opt/pmatch"'

	# ---- kernel ----
	program modprobe udevprogram udevimport udevrun udevbare binfmt binfmtlive core helper sysctl requestkey audit
	lines 'options a b=c' 'install x /opt/pmodprobe; /sbin/modprobe -i x' | put /etc/modprobe.d/x.conf
	want modprobe modules /etc/modprobe.d/x.conf 'install x /opt/pmodprobe; /sbin/modprobe -i x' startup-modules
	lines '# RUN+="/opt/pno"' 'KERNEL=="x", PROGRAM=="/opt/pudevprogram \"a\" %k", \' '  IMPORT{program}="/opt/pudevimport"' \
		'RUN{builtin}+="kmod load x", RUN+="/opt/pudevrun"' 'RUN+="udevbare"' 'ENV{RUN}="/opt/pno"' | put /usr/lib/udev/rules.d/9.rules
	want udevprogram udev /usr/lib/udev/rules.d/9.rules 'KERNEL=="x", PROGRAM=="/opt/pudevprogram \"a\" %k", \' startup-udev
	want udevimport udev /usr/lib/udev/rules.d/9.rules 'KERNEL=="x", PROGRAM=="/opt/pudevprogram \"a\" %k", \'
	want udevrun udev /usr/lib/udev/rules.d/9.rules 'RUN{builtin}+="kmod load x", RUN+="/opt/pudevrun"'
	lines '#!/bin/sh' '# bare' | put /usr/lib/udev/udevbare 755
	want /usr/lib/udev/udevbare udev /usr/lib/udev/rules.d/9.rules 'RUN+="udevbare"'
	lines '# :no' ',x,M,,abc,,/opt/pbinfmt,OC' | put /etc/binfmt.d/x.conf
	want binfmt binfmt /etc/binfmt.d/x.conf ',x,M,,abc,,/opt/pbinfmt,OC' startup-binfmt
	lines enabled 'interpreter /opt/pbinfmtlive' 'flags: ' | put /proc/sys/fs/binfmt_misc/x
	want binfmtlive binfmt /proc/sys/fs/binfmt_misc/x 'interpreter /opt/pbinfmtlive' startup-binfmt
	lines '|/opt/pcore %P %u' | put /proc/sys/kernel/core_pattern
	want core helper /proc/sys/kernel/core_pattern '|/opt/pcore %P %u' startup-helper
	lines /opt/phelper | put /proc/sys/kernel/modprobe
	want helper helper /proc/sys/kernel/modprobe /opt/phelper
	lines 'net.x = /opt/pno' '-kernel.core_pattern = |/opt/psysctl %p' | put /etc/sysctl.d/x.conf
	want sysctl helper /etc/sysctl.d/x.conf '-kernel.core_pattern = |/opt/psysctl %p' startup-helper
	lines 'create user debug:* * |/opt/prequestkey %k' | put /etc/request-key.conf
	want requestkey helper /etc/request-key.conf 'create user debug:* * |/opt/prequestkey %k'
	lines 'active = yes' 'path = /opt/paudit' 'path = builtin_syslog' | put /etc/audit/plugins.d/x.conf
	want audit helper /etc/audit/plugins.d/x.conf 'path = /opt/paudit'

	# ---- before and beside the system ----
	program cmdline grubcfg grubdefault grubd hook initscript dracut kernelhook
	lines 'root=/dev/x init=/opt/pcmdline quiet' | put /proc/cmdline
	want cmdline boot /proc/cmdline 'root=/dev/x init=/opt/pcmdline quiet' startup-boot
	lines '	linux /vmlinuz root=x init=/opt/pgrubcfg' | put /boot/grub/grub.cfg
	want grubcfg boot /boot/grub/grub.cfg '	linux /vmlinuz root=x init=/opt/pgrubcfg'
	lines 'GRUB_CMDLINE_LINUX="quiet init=/opt/pgrubdefault"' | put /etc/default/grub.d/x.cfg
	want grubdefault boot /etc/default/grub.d/x.cfg 'GRUB_CMDLINE_LINUX="quiet init=/opt/pgrubdefault"'
	lines '#!/bin/sh' /opt/pgrubd | put /etc/grub.d/99x 755
	want grubd boot /etc/grub.d/99x /opt/pgrubd
	lines '#!/bin/sh' /opt/phook | put /etc/initramfs-tools/hooks/x 755
	want hook initramfs /etc/initramfs-tools/hooks/x /opt/phook startup-initramfs
	lines '#!/bin/sh' /opt/pinitscript | put /usr/share/initramfs-tools/scripts/init-premount/x 755
	want initscript initramfs /usr/share/initramfs-tools/scripts/init-premount/x /opt/pinitscript
	lines '#!/bin/bash' /opt/pdracut | put /usr/lib/dracut/modules.d/99x/module-setup.sh 755
	want dracut initramfs /usr/lib/dracut/modules.d/99x/module-setup.sh /opt/pdracut
	lines '#!/bin/sh' /opt/pkernelhook | put /etc/kernel/postinst.d/x 755
	want kernelhook kernel /etc/kernel/postinst.d/x /opt/pkernelhook startup-kernel

	# ---- packages ----
	program aptflat aptnested apttools dpkg postinst
	lines '// DPkg::Pre-Invoke {"/opt/pno";};' '/* APT::Update::Pre-Invoke {"/opt/pno";}; */' 'APT::Update::Pre-Invoke {"/opt/paptflat || true";};' \
		'DPkg {' '  Post-Invoke {' '    "if [ -x /opt/paptnested ]; then /opt/paptnested; fi";' '  };' '};' 'Dir::Bin::dpkg "/opt/papttools";' \
		'Dir::Bin::Solvers { "/usr/lib/apt/solvers"; };' 'APT::Other "/opt/pno";' | put /etc/apt/apt.conf.d/99x
	want aptflat packages /etc/apt/apt.conf.d/99x 'APT::Update::Pre-Invoke {"/opt/paptflat || true";};' startup-packages
	want aptnested packages /etc/apt/apt.conf.d/99x '    "if [ -x /opt/paptnested ]; then /opt/paptnested; fi";'
	want apttools packages /etc/apt/apt.conf.d/99x 'Dir::Bin::dpkg "/opt/papttools";'
	lines 'no-debsig' 'pre-invoke="/opt/pdpkg x"' | put /etc/dpkg/dpkg.cfg.d/x
	want dpkg packages /etc/dpkg/dpkg.cfg.d/x 'pre-invoke="/opt/pdpkg x"'
	lines '#!/bin/sh' /opt/ppostinst | put /var/lib/dpkg/info/ghost.postinst 755
	want postinst packages /var/lib/dpkg/info/ghost.postinst /opt/ppostinst
	lines '#!/bin/sh' /opt/first/own | put /var/lib/dpkg/info/real.postinst 755
	lines / /opt/real | put /var/lib/dpkg/info/real.list

	# ---- network ----
	program ifup interfaces dispatcher networkd dhclient ppp wireguard dnsmasq inetd xinetd tcpd snmp
	lines '#!/bin/sh' /opt/pifup | put /etc/network/if-up.d/x 755
	want ifup network /etc/network/if-up.d/x /opt/pifup startup-network
	lines 'iface x inet dhcp' '	post-up /opt/pinterfaces' | put /etc/network/interfaces.d/x
	want interfaces network /etc/network/interfaces.d/x '	post-up /opt/pinterfaces'
	lines '#!/bin/sh' /opt/pdispatcher | put /etc/NetworkManager/dispatcher.d/pre-up.d/x 755
	want dispatcher network /etc/NetworkManager/dispatcher.d/pre-up.d/x /opt/pdispatcher
	lines '#!/bin/sh' /opt/pnetworkd | put /etc/networkd-dispatcher/routable.d/x 755
	want networkd network /etc/networkd-dispatcher/routable.d/x /opt/pnetworkd
	lines /opt/pdhclient | put /etc/dhcp/dhclient-exit-hooks.d/x
	want dhclient network /etc/dhcp/dhclient-exit-hooks.d/x /opt/pdhclient
	lines '#!/bin/sh' /opt/pppp | put /etc/ppp/ip-up.d/x 755
	want ppp network /etc/ppp/ip-up.d/x /opt/pppp
	lines '[Interface]' 'PostUp = /opt/pwireguard %i' | put /etc/wireguard/w.conf
	want wireguard network /etc/wireguard/w.conf 'PostUp = /opt/pwireguard %i'
	lines 'dhcp-script=/opt/pdnsmasq' | put /etc/dnsmasq.d/x
	want dnsmasq network /etc/dnsmasq.d/x 'dhcp-script=/opt/pdnsmasq'
	lines 'rocommunity public' 'extend name /opt/psnmp a' | put /etc/snmp/snmpd.conf
	want snmp network /etc/snmp/snmpd.conf 'extend name /opt/psnmp a'
	lines '#x' 'x stream tcp nowait root /opt/pinetd name -a' 'y stream tcp nowait root /usr/sbin/tcpd /opt/ptcpd -a' \
		'time stream tcp nowait root internal' | put /etc/inetd.conf
	want inetd inetd /etc/inetd.conf 'x stream tcp nowait root /opt/pinetd name -a' startup-inetd
	want tcpd inetd /etc/inetd.conf 'y stream tcp nowait root /usr/sbin/tcpd /opt/ptcpd -a'
	lines 'service x' '{' ' server = /opt/pxinetd' '}' | put /etc/xinetd.d/x
	want xinetd inetd /etc/xinetd.d/x ' server = /opt/pxinetd'

	# ---- tools ----
	program logrotate alias_pipe forward gitmonitor gitalias githook githookspath gitssh gitinclude pth pythonlib php
	lines '/var/log/x {' ' weekly' ' postrotate' '  [ -x /a ] && /opt/plogrotate' ' endscript' '}' '/opt/pno {' '}' | put /etc/logrotate.d/x
	want logrotate logrotate /etc/logrotate.d/x '  [ -x /a ] && /opt/plogrotate' startup-logrotate
	lines 'x: "|/opt/palias_pipe a"' | put /etc/aliases
	want alias_pipe mail /etc/aliases 'x: "|/opt/palias_pipe a"' startup-mail
	lines '\u, "|/opt/pforward"' | put /home/u/.forward
	want forward mail /home/u/.forward '\u, "|/opt/pforward"' startup-user
	lines '[user]' ' name = /opt/pno' '[core]' ' fsmonitor = /opt/pgitmonitor # x' ' sshCommand = "/opt/pgitssh -x"' ' hooksPath = ~/hooks' \
		' editor = not-installed' '[alias]' ' st = status' ' x = !/opt/pgitalias' '[include]' ' path = ~/more' | put /root/.gitconfig
	want gitmonitor git /root/.gitconfig ' fsmonitor = /opt/pgitmonitor # x' startup-git startup-user
	want gitssh git /root/.gitconfig ' sshCommand = "/opt/pgitssh -x"'
	want gitalias git /root/.gitconfig ' x = !/opt/pgitalias'
	lines '#!/bin/sh' /opt/pgithookspath | put /root/hooks/pre-commit 755
	want githookspath git /root/hooks/pre-commit /opt/pgithookspath
	lines '[Core]pager=/opt/pgitinclude' | put /root/more
	want gitinclude git /root/more '[Core]pager=/opt/pgitinclude'
	lines '#!/bin/sh' /opt/pgithook | put /home/u/src/project/.git/hooks/post-merge 755
	lines '#!/bin/sh' /opt/first/own | put /home/u/src/project/.git/hooks/pre-push 644
	lines '#!/bin/sh' /opt/first/own | put /home/u/src/project/.git/hooks/x.sample 755
	want githook git /home/u/src/project/.git/hooks/post-merge /opt/pgithook startup-git
	lines '# import no' './more' 'import os; os.system("/x")' 'import helper' | put /usr/local/lib/python3.11/dist-packages/x.pth
	lines 'x = 1' | put /usr/local/lib/python3.11/dist-packages/helper.py
	want /usr/local/lib/python3.11/dist-packages/x.pth python /usr/local/lib/python3.11/dist-packages/x.pth 'import os; os.system("/x")' startup-python
	want /usr/local/lib/python3.11/dist-packages/helper.py python /usr/local/lib/python3.11/dist-packages/x.pth 'import helper' startup-python
	lines 'import urllib' | put /home/u/.local/lib/python3.11/site-packages/usercustomize.py
	want /home/u/.local/lib/python3.11/site-packages/usercustomize.py python /home/u/.local/lib/python3.11/site-packages/usercustomize.py '' startup-python startup-user
	lines 'extension=curl' 'auto_prepend_file = /opt/pphp' | put /etc/php/8.2/cli/conf.d/x.ini
	want php php /etc/php/8.2/cli/conf.d/x.ini 'auto_prepend_file = /opt/pphp' startup-php
	lines 'print 1;' | put /etc/perl/sitecustomize.pl
	want /etc/perl/sitecustomize.pl perl /etc/perl/sitecustomize.pl '' startup-perl
}

setup_file() {
	export R=$BATS_FILE_TMPDIR/r
	load common
	mkdir -p "$R/home/u" "$R/root"
	make_places
	mscan -q -R "$R" -o "$BATS_FILE_TMPDIR/c.case"
	mkdir "$BATS_FILE_TMPDIR/x"
	bsdtar -xf "$BATS_FILE_TMPDIR/c.case" -C "$BATS_FILE_TMPDIR/x"
	chmod -R u+rwX "$BATS_FILE_TMPDIR/x"
}

setup() {
	load common
	R=$BATS_FILE_TMPDIR/r
	X=$BATS_FILE_TMPDIR/x/code
	cd "$TMP" || return 1
}

sha() { sha256sum "$1" | cut -c1-64; }
signs() { jq -r '[.signs[].name] | sort | join(" ")' "$X/$(sha "$R$1")/about.json"; }

@test "each entry of each place: what it starts, by whom, its exact text, and its signs" {
	# the wanted with the digest of their piece before them, held against all pieces at once
	while IFS=$'\x1f' read -r at rest; do
		[[ $at == /* ]] || at=/opt/p$at
		printf '%s\x1f%s\x1f%s\n' "$(sha "$R$at")" "$at" "$rest"
	done <"$BATS_FILE_TMPDIR/wanted" >wanted
	[ "$(wc -l <wanted)" -gt 90 ]
	cat "$X"/*/about.json | jq -rs --rawfile wanted wanted '(map({(.sha256): .}) | add) as $have
		| $wanted | rtrimstr("\n") | split("\n")[] | split("\u001f") as [$sha, $at, $place, $file, $text]
		| (split("\u001f")[5:] + ["startup-" + $place]) as $signs | $have[$sha] as $p
		| if $p == null then "\($at): no piece, for \($file)"
		  elif ($p.sightings | any(.how == "startup" and .place == $place and .file == $file and ($text == "" or .text == $text)) | not)
		  then "\($at): no sighting in \($file) as \($place) with \($text), but \($p.sightings)"
		  else $signs - [$p.signs[].name] | select(. != []) | "\($at): no sign \(.)" end' >bad
	cat bad
	[ ! -s bad ]
}

@test "a line is counted from one, and belongs to the file as it is" {
	jq -e --arg s "$(sha "$R/etc/ssh/sshd_config")" '.sightings[0] | .line == 2 and .file_sha256 == $s and .whole == false' \
		"$X/$(sha "$R/opt/pforce")/about.json"
	jq -e '.sightings[0].line == 2' "$X/$(sha "$R/opt/pudevimport")/about.json"
	jq -e '.sightings[0].line == 6' "$X/$(sha "$R/opt/paptnested")/about.json"
	jq -e '.sightings[0] | .line == 4 and .whole' "$X/$(sha "$R/opt/pafterreset")/about.json"
}

@test "benign neighbours start nothing" {
	# a reset entry, what no system program is named like, a package's maintainer script, a hook that may not be run
	[ ! -e "$X/$(sha "$R/opt/preset")" ]
	[ ! -e "$X/$(sha "$R/opt/first/own")" ]
	[ ! -e "$X/$(sha "$R/opt/lib/libown.so.1")" ]
	[ ! -e "$X/$(sha "$R/var/lib/dpkg/info/real.postinst")" ]
	[ ! -e "$X/$(sha "$R/usr/bin/sh")" ]
	# settings and comments are not commands: none of these files became code
	for f in /etc/ssh/sshd_config /etc/pam.d/sshd /etc/nsswitch.conf /etc/udev/rules.d/9.rules /etc/logrotate.d/x /etc/inetd.conf /etc/passwd \
		/root/.gitconfig /etc/apt/apt.conf.d/99x /etc/sysctl.d/x.conf /etc/environment /home/u/.ssh/authorized_keys /root/.ssh/config; do
		[ ! -f "$R$f" ] || [ ! -e "$X/$(sha "$R$f")" ] || { echo "# $f is code"; jq -c . "$X/$(sha "$R$f")/about.json"; return 1; }
	done
	[[ $(signs /opt/pkey) != *preload* ]]
	[[ $(signs /opt/pifup) != *user* ]]
	jq -es 'all([.signs[] | select(.group == "unlisted")] == [])' "$X"/*/about.json
}

@test "hostile files neither hang nor hide: FIFOs, endless and huge files, loops, names, ten thousand of them" {
	R=$TMP/h
	program last newline deep open
	mkfifo -m 600 "$TMP/fifo"
	mkdir -p "$R"/etc/{cron.d,cron.daily,systemd/system,pam.d,ssh} "$R/root/.git" "$R/home"
	for f in etc/cron.d/fifo root/.bashrc etc/nsswitch.conf root/.ssh etc/ssh/sshd_config etc/systemd/system/f.service; do
		cp -R "$TMP/fifo" "$R/$f"
	done
	[ "$(id -u)" -ne 0 ] || mknod "$R/etc/cron.d/zero" c 1 5 2>/dev/null || :
	for f in etc/cron.d/sparse etc/cron.daily/sparse etc/environment opt/psparse; do truncate -s 1T "$R/$f"; done
	lines '* * * * * root /opt/psparse' | put /etc/crontab
	ln -s loop "$R/etc/cron.d/loop"
	ln -s . "$R/etc/systemd/system/self.service.d"
	ln -s .. "$R/etc/systemd/system/up.wants"
	ln -s /dev/zero "$R/etc/cron.d/link"
	lines '* * * * * root /opt/pnewline' | put $'/etc/cron.d/a\nb\e[31m'
	(cd "$R/etc/cron.d" && seq -f 'n%05.0f' 10000 | xargs touch)
	lines '* * * * * root /opt/plast' | put /etc/cron.d/zzz
	lines '[include]path=config' '[include]path=/root/.git/config' '[core]hooksPath=/' '[core]hooksPath=../../../../..' | put /root/.git/config
	lines 'include /etc/ld.so.conf' 'include /etc/*.conf' /etc/cron.d / | put /etc/ld.so.conf
	lines '#include "/etc/apt/apt.conf";' '{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{' 'x "' | put /etc/apt/apt.conf
	{ head -c 1000000 /dev/zero | tr '\0' '['; } | put /etc/pam.d/x
	{ yes 'LD_PRELOAD=/opt/plast PATH=/opt' | head -n 20000 | tr '\n' ' '; } | put /root/.profile
	{ yes 'command="' | head -c 1000000 | tr -d '\n'; } | put /root/.ssh2
	mkdir -p "$R/home/u" && (cd "$R/home/u" && seq 3000 | xargs mkdir)
	lines 'root:x:0:0::/root:/bin/sh' 'u:x:1:1::/home/u:/bin/sh' | put /etc/passwd
	lines '#!/bin/sh' /opt/pdeep | put /home/u/3000/.git/hooks/update 755
	chmod 777 "$R/opt/popen"
	lines '* * * * * root /opt/popen' | put /etc/cron.d/open
	SECONDS=0
	timeout -k 1 100 "$BIN/mscan" -R "$R" -o c.case 2>err
	[ "$SECONDS" -lt 60 ]
	[[ $(cat err) != *$'\e'* ]]
	mkdir x && bsdtar -xf c.case -C x && chmod -R u+rwX x
	X=x/code
	for n in last newline deep open; do [ -f "$X/$(sha "$R/opt/p$n")/about.json" ] || { echo "# $n"; return 1; }; done
	jq -e '.sightings[0].file == "/etc/cron.d/a\nb\u001b[31m"' "$X/$(sha "$R/opt/pnewline")/about.json"
	[[ $(signs /opt/popen) == *startup-open* ]]
	[[ $(signs /opt/plast) != *startup-open* ]]
	jq -e '.host.scan.complete == false' x/case.json
}

# look: mscan of the root $R, its case in x/ and its pieces in $X
look() {
	rm -rf x
	mscan -q -R "$R" -o c.case
	mkdir x && bsdtar -xf c.case -C x && chmod -R u+rwX x
	X=x/code
}

found() { [ -f "$X/$(sha "$R$1")/about.json" ] || { echo "# no piece: $1"; return 1; }; }

@test "an entry behind very many others is seen, and lines beyond all bounds are told of" {
	R=$TMP/h
	program ok evil shell last library word two
	mkdir -p "$R/etc"
	{ yes '* * * * * root /opt/pok' | head -n 5000; lines '* * * * * root /opt/pevil'; } | put /etc/cron.d/j
	{ yes : | head -n 5000; seq -f '/opt/none%.0f' 5000; lines /opt/pshell; } | put /etc/profile
	{ seq -f 'LD_PRELOAD=/none%.0f' 5000; lines 'LD_PRELOAD=/opt/plibrary'; } | put /etc/environment
	{ yes '/opt/pok ' | head -n 20000 | tr '\n' ' '; lines /opt/pword; } | put /etc/ld.so.preload
	{ seq -f '/none%.0f' 100; lines /opt/folder; } | put /etc/ld.so.conf
	mkdir -p "$R/usr/lib" "$R/opt/folder"
	printf 'system' | put /usr/lib/libx.so.1
	printf 'other' | put /opt/folder/libx.so.1
	look
	for f in evil shell library word; do found "/opt/p$f"; done
	found /opt/folder/libx.so.1
	jq -e '.sightings[0] | .line == 5001 and .text == "* * * * * root /opt/pevil"' "$X/$(sha "$R/opt/pevil")/about.json"
	jq -es 'all(.signs | all(.name != "startup-crowded" and .name != "startup-oversized"))' "$X"/*/about.json
	jq -e '.host.scan.unseen == []' x/case.json
	seq -f '* * * * * root /n%.0f' 140000 | put /etc/cron.d/j
	rm "$R/etc/profile" "$R/etc/environment" "$R/etc/ld.so.preload" "$R/etc/ld.so.conf"
	look
	[[ $(signs /etc/cron.d/j) == *startup-crowded* ]]
	jq -e '.host.scan | .complete == false and (.unseen | any(test("start-up file.*cron.*different commands")))' x/case.json
	jq -e --slurpfile c "$ROOT/rules/criteria.json" '.score >= $c[0].submit' "$X/$(sha "$R/etc/cron.d/j")/about.json"
	[ "$(jq '.sightings | length' "$X/$(sha "$R/etc/cron.d/j")/about.json")" -le 1001 ]
}

@test "a start-up file padded beyond what such files hold is a piece, and its entries are seen" {
	R=$TMP/h
	program cron library shell head tail
	mkdir -p "$R/etc"
	yes '# nothing but a comment, and many of them, so that nobody reads on' | head -c 1100000 >pad
	printf '\n' >>pad
	{ cat pad; lines '* * * * * root /opt/pcron'; } | put /etc/cron.d/x
	{ cat pad; lines /opt/plibrary; } | put /etc/ld.so.preload
	{ cat pad; lines /opt/pshell; } | put /etc/profile
	{ lines '* * * * * root /opt/phead'; truncate -s 40M /dev/stdout; } >huge
	{ cat huge; lines '' '* * * * * root /opt/ptail'; } | put /etc/cron.d/huge
	{ head -c 900000 pad; lines '' '* * * * * root /opt/pcron'; } | put /etc/cron.d/benign
	look
	for f in cron library shell head tail; do found "/opt/p$f"; done
	for f in cron.d/x ld.so.preload profile cron.d/huge; do
		found "/etc/$f"
		[[ $(signs "/etc/$f") == *startup-oversized* ]] || { echo "# $f: no sign"; return 1; }
		jq -e --slurpfile c "$ROOT/rules/criteria.json" '.score >= $c[0].submit' "$X/$(sha "$R/etc/$f")/about.json"
	done
	[ ! -e "$X/$(sha "$R/etc/cron.d/benign")" ]
	jq -e '.host.scan.unseen | length == 1 and any(test("start-up file.*cron.*beginning and end"))' x/case.json
	# a script of the system's that is longer than all that is read is a piece all the same
	printf '#!/bin/sh\n' | put /etc/init.d/long 755
	truncate -s 70M "$R/etc/init.d/long"
	rm "$R"/etc/cron.d/*
	look
	found /etc/init.d/long
}

@test "a start-up command of many words is looked at to its end; of more than a program can be given, the file is a finding" {
	R=$TMP/w
	program behind quoted nested after
	mkdir -p "$R/etc"
	{ printf '* * * * * root env'; seq -f ' A%.0f=1' 1000 | tr -d '\n'; lines ' /opt/pbehind'; } | put /etc/cron.d/behind
	{ printf '* * * * * root sh -c "'; printf '%9000s' ''; lines '/opt/pquoted"'; } | put /etc/cron.d/quoted
	{ printf '* * * * * root'; yes ' /usr/bin/nice' | head -n 200 | tr -d '\n'; lines ' /opt/pnested'; } | put /etc/cron.d/nested
	look
	for f in behind quoted nested; do found "/opt/p$f"; done
	jq -es 'all(.signs | all(.name != "startup-crowded"))' "$X"/*/about.json
	jq -e '.host.scan.unseen == []' x/case.json
	# each of these hides something, which is told; what follows is seen
	rm "$R"/etc/cron.d/*
	{ printf '* * * * * root echo'; yes ' a' | head -n 250000 | tr -d '\n'; lines ' ; /opt/pafter'; } | put /etc/cron.d/words
	{ printf '* * * * * root env'; yes ' /usr/bin/nice' | head -n 300 | tr -d '\n'; lines ' /opt/pnested'; } | put /etc/cron.d/wrappers
	{ printf '* * * * * root nice'; seq -f ' w%.0f' 70000 | tr -d '\n'; lines ' /opt/pquoted'; } | put /etc/cron.d/searched
	look
	found /opt/pafter
	for f in words wrappers searched; do
		[[ $(signs "/etc/cron.d/$f") == *startup-crowded* ]] || { echo "# $f: no sign"; return 1; }
	done
	jq -e '.host.scan.unseen | length == 3 and all(test("start-up file.*cron.*more .* than are looked at"))' x/case.json
}
