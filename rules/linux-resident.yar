/*
 * Traits of resident code on Linux, by technique. A trait is evidence, not a verdict: "weight" is in decibans as in
 * verdict.json, and of one technique only the heaviest trait counts. Package managers, shells and servers share single
 * strings with malware, so most rules want two that do not stand together in them. Over Debian 12's /usr/bin and /usr/sbin
 * (1,300 files) six hits are left: self_deletion on dirmngr-client, gpg-connect-agent, gpgconf, kbxutil and not-14 (weight 6),
 * xor_decoder on ssh-agent (weight 5). t/mnicter.bats holds that nothing heavier matches; t/unit/code_rules.c that each rule fires.
 */

private rule elf_or_script
{
	condition:
		uint32(0) == 0x464c457f or uint16(0) == 0x2123
}

private rule small
{
	/* An interpreter or a library of everything holds every word there is. */
	condition:
		filesize < 3MB
}

rule persistence_cron_writer : persistence
{
	meta:
		description = "writes its own line into cron"
		technique = "T1053.003"
		weight = 12
	strings:
		$place = /\/(etc\/cron\.(d|hourly|daily)\/|var\/spool\/cron\/(crontabs\/)?)[a-z0-9._%-]/
		$line1 = /\*\/[0-9]+ \* \* \* \* /
		$line2 = "@reboot"
		$line3 = "* * * * *"
		$edit = /\(? ?crontab -l[^\n]{0,80}\| ?crontab/
	condition:
		elf_or_script and small and ($edit or ($place and any of ($line*)))
}

rule persistence_autostart : persistence
{
	meta:
		description = "writes a desktop autostart entry that starts a program"
		technique = "T1547.013"
		weight = 12
	strings:
		$place = ".config/autostart/"
		$place2 = "/etc/xdg/autostart/"
		$entry = "[Desktop Entry]"
		$exec = "Exec="
	condition:
		elf_or_script and small and any of ($place*) and $entry and $exec
}

rule persistence_preload : persistence
{
	meta:
		description = "names the file that forces a library into every program"
		technique = "T1574.006"
		weight = 15
	strings:
		$file = "/etc/ld.so.preload"
		$linker = "_rtld_global"
	condition:
		elf_or_script and small and $file and not $linker
}

rule persistence_authorized_keys : persistence
{
	meta:
		description = "brings a key of its own for ssh"
		technique = "T1098.004"
		weight = 15
	strings:
		$file = ".ssh/authorized_keys"
		$key = /(ssh-rsa AAAAB3NzaC1yc2E|ssh-ed25519 AAAAC3NzaC1lZDI1NTE5)[A-Za-z0-9+\/]{16}/
		$append = />> ?[~\/$][^ \n]{0,60}authorized_keys/
	condition:
		elf_or_script and small and $file and ($key or $append)
}

rule persistence_unit_writer : persistence
{
	meta:
		description = "brings a systemd unit of its own and puts it in place"
		technique = "T1543.002"
		weight = 8
	strings:
		$place = /\/(etc|lib|usr\/lib)\/systemd\/(system|user)\/[a-zA-Z0-9@._%-]+/
		$unit = "[Service]"
		$start = "ExecStart="
		$want = "WantedBy="
	condition:
		elf_or_script and small and all of them
}

rule persistence_rc : persistence
{
	meta:
		description = "writes into a start script of the system or of shells"
		technique = "T1037.004"
		weight = 8
	strings:
		$rc = />> ?("|')?\/etc\/(rc\.local|rc\.d\/rc\.local|profile|bash\.bashrc|inittab)/
		$profile = />> ?("|')?(~|\$HOME|\/root)\/\.(bashrc|profile|bash_profile|zshrc)/
	condition:
		elf_or_script and small and any of them
}

rule self_deletion : hiding
{
	meta:
		description = "finds its own file and deletes it"
		technique = "T1070.004"
		weight = 6
	strings:
		$self = "/proc/self/exe"
		$unlink = "unlink" fullword
		$link = "readlink" fullword
		$shell = /rm -r?f? ?("|')?(\$0|\$\{0\}|\$\(readlink)/
	condition:
		elf_or_script and small and ($shell or (filesize < 200KB and $self and $unlink and $link))
}

rule memory_only : hiding
{
	meta:
		description = "makes a program in memory and runs it without a file"
		technique = "T1620"
		weight = 15
	strings:
		$create = "memfd_create" fullword
		$exec1 = "fexecve" fullword
		$exec2 = "execveat" fullword
		$fd = /\/proc\/(self|%d|%i)\/fd\/%[du]/
		/* mov eax, 319 (memfd_create); syscall */
		$call = { b8 3f 01 00 00 [0-12] 0f 05 }
		/* A table of all system calls' names. */
		$table = "kexec_load" fullword
	condition:
		elf_or_script and filesize < 1MB and not $table and ($create or $call) and any of ($exec*, $fd)
}

rule hidden_folder : hiding
{
	meta:
		description = "names a program or library in a hidden folder of a system or temporary place"
		technique = "T1564.001"
		weight = 12
	strings:
		$place = /\/(tmp|var\/tmp|dev\/shm|usr\/(lib|share|bin|sbin|local)|lib|etc|var\/(lib|cache|log)|run|opt|bin|sbin)\/\.[a-zA-HJ-WYZ][A-Za-z0-9_-]{1,30}\/[a-zA-Z0-9._-]{2,}/
		$home = /(\/root|%s|~|\$HOME)\/\.(cache|local|config)\/\.[a-z][A-Za-z0-9_.-]{2,}\/[a-z]/
		/* .X11-unix, .ICE-unix and their like are the X Window System's, hence no I and X above. */
		$not = "/lib/.build-id/"
	condition:
		elf_or_script and small and (#place > #not or $home)
}

rule kernel_thread_name : hiding
{
	meta:
		description = "carries the name of a kernel thread to run under"
		technique = "T1036.009"
		weight = 15
	strings:
		$name = /\[?(kworker\/[0-9u][0-9:]*[0-9][a-zA-Z:+-]*|ksoftirqd\/[0-9]|kthreadd|rcu_sched|migration\/[0-9]|watchdog\/[0-9]|kswapd0|khugepaged|kdevtmpfs|kintegrityd)\]?\x00/
		$bracket = /\[(kworker\/|ksoftirqd|kthreadd|rcu_|migration|watchdog|kswapd|khugepaged|kauditd|kdevtmpfs)[^\]\n]{0,16}\]/
		$set = "prctl" fullword
		$exec = "exec -a"
	condition:
		elf_or_script and small and (($name and $set) or ($bracket and ($set or $exec)))
}

rule trace_defence : evasion
{
	meta:
		description = "looks whether it is being traced or run in a virtual machine"
		technique = "T1497"
		weight = 4
	strings:
		$tracer = "TracerPid"
		$vm1 = "/sys/class/dmi/id/product_name"
		$vm2 = "VMware" nocase
		$vm3 = "VirtualBox" nocase
		$vm4 = "QEMU"
	condition:
		elf_or_script and filesize < 1MB and (($tracer and uint32(0) == 0x464c457f) or ($vm1 and 2 of ($vm2, $vm3, $vm4)))
}

rule process_injection : injection
{
	meta:
		description = "writes into the memory of other processes"
		technique = "T1055.008"
		weight = 8
	strings:
		$write = "process_vm_writev" fullword
		$ptrace = "ptrace" fullword
		$mem1 = "/proc/%d/mem" fullword
		$mem2 = "/proc/%ld/mem" fullword
		$mem3 = "/proc/%i/mem" fullword
		$maps = /\/proc\/%(d|ld|i|u)\/maps/
		$dl = "dlopen"
	condition:
		uint32(0) == 0x464c457f and filesize < 500KB and (($ptrace and $maps and ($write or any of ($mem*))) or ($write and $maps) or ($ptrace and $maps and $dl and filesize < 100KB))
}

rule packer_upx : packer
{
	meta:
		description = "packed with UPX or a relative of it"
		technique = "T1027.002"
		weight = 10
	strings:
		$magic = "UPX!"
		$info = "$Info: This file is packed with the UPX executable packer"
		/* A wiped magic leaves the loader's own messages. */
		$prot = "PROT_EXEC|PROT_WRITE failed."
	condition:
		uint32(0) == 0x464c457f and ($info or $prot or ($magic in (0..1024) and $magic in (filesize - 256 .. filesize)))
}

rule shell_reverse : remote
{
	meta:
		description = "hands a shell to the network"
		technique = "T1059.004"
		weight = 25
	strings:
		$dev = /(ba)?sh +-i *[0-9>&]*>& *\/dev\/(tcp|udp)\/[^ \n]{3,60}/
		$exec = /exec +[0-9]+<> *\/dev\/(tcp|udp)\/[^ \n]{3,60}/
		$fifo = /mkfifo +[^\n;|&]{2,60}[^\n]{0,80}(nc|ncat|telnet) +[^\n]{3,60}/
		$nc = /\b(nc|ncat|netcat) +(-[a-z]+ +)*[^\n|;]{3,60} +-(e|c) *\/?(bin\/)?(ba)?sh/
		$python = /import socket,subprocess,os;s=socket\.socket/
		$perl = /perl -e ?.{0,4}use Socket;\$i=/
		$socat = /socat +[^\n]{0,60}(tcp|TCP)[^\n]{3,60}(exec|EXEC):/
	condition:
		elf_or_script and small and any of them
}

rule download_and_run : remote
{
	meta:
		description = "fetches a program and runs it at once"
		technique = "T1105"
		weight = 15
	strings:
		$pipe = /(curl|wget) [^\n|;&]{4,120}\| *(sudo )?(ba|da|z)?sh\b/
		$temporary = /(curl|wget|tftp|ftpget) [^\n]{4,160}(\/tmp|\/var\/tmp|\/dev\/shm)[^\n]{1,120}chmod (\+x|[0-7]?7[0-7][0-7])/
		$many = /cd \/tmp *\|\| *cd \/var\/run *\|\| *cd \/mnt/
		$decode = /base64 (-d|--decode)[^\n|;]{0,60}\| *(ba)?sh\b/
	condition:
		elf_or_script and small and any of them
}

rule miner : miner
{
	meta:
		description = "speaks the protocol or bears the settings of a coin miner"
		technique = "T1496"
		weight = 20
	strings:
		$url = /stratum\+(tcp|ssl|udp):\/\//
		$m1 = "mining.subscribe"
		$m2 = "mining.authorize"
		$m3 = "mining.submit"
		$x1 = "--donate-level"
		$x2 = "cryptonight" nocase
		$x3 = "randomx" nocase
		$x4 = "nicehash" nocase
		$x5 = "\"algo\""
		$msr = "msr allow_writes"
	condition:
		elf_or_script and filesize < 20MB and ($url or 2 of ($m*) or 3 of ($x*, $msr))
}

rule irc_bot : remote
{
	meta:
		description = "takes orders over IRC"
		technique = "T1071"
		weight = 10
	strings:
		$nick = /NICK %s/
		$user = /USER %s/
		$join = /JOIN %s/
		$msg = /PRIVMSG %s :/
		$flood = /(udp|syn|http|tcp)[ _-]?flood/ nocase
	condition:
		elf_or_script and filesize < 1MB and 3 of ($nick, $user, $join, $msg) and $flood
}

rule flooder : attack
{
	meta:
		description = "floods other hosts, or tries their passwords"
		technique = "T1498"
		weight = 10
	strings:
		$f1 = /(udp|syn|ack|http|tcp|vse|dns|gre)[ _-]?flood(er|ing)?/ nocase
		$p1 = "xc3511"
		$p2 = "vizxv"
		$p3 = "7ujMko0admin"
		$p4 = "juantech"
		$b = "/bin/busybox "
		$cgi = "/cgi-bin/;"
	condition:
		uint32(0) == 0x464c457f and filesize < 1MB and (2 of ($p*) or ($b and ($cgi or #f1 > 2)))
}

rule competitor_killer : attack
{
	meta:
		description = "ends other programs of its kind, or the guards of the machine"
		technique = "T1562.001"
		weight = 15
	strings:
		$k1 = /(pkill|killall)( -[a-z0-9]+)* ['"]?(xmrig|kinsing|kdevtmpfsi|minerd|xmr|watchbog|cnrig|\.?ddg)/
		$k2 = /(systemctl (stop|disable)|service|chkconfig)[^\n]{0,20} ?(auditd|apparmor|falcon-sensor|aliyun|aegis|clamav-daemon|ossec)/
		$k3 = /setenforce 0|echo 0 ?> ?\/proc\/sys\/kernel\/nmi_watchdog/
		$k4 = /iptables (-t [a-z]+ )?-F/
		$k5 = /chattr (-R )?-i[ae]* \/etc\/(ld\.so\.preload|crontab|cron|passwd|shadow)/
	condition:
		elf_or_script and small and ($k1 or $k5 or 2 of ($k2, $k3, $k4))
}

rule history_eraser : hiding
{
	meta:
		description = "erases the traces of what was done"
		technique = "T1070.003"
		weight = 8
	strings:
		$h1 = /unset HISTFILE|HISTFILE=\/dev\/null|history -c|HISTSIZE=0/
		$h2 = /(rm -[rf]{1,2}|>) ?(\/root|\/home\/[^ \/]{1,32}|~|\$HOME)\/\.bash_history/
		$l1 = /(>|rm -[rf]{1,2}|truncate -s ?0) ?\/var\/log\/(wtmp|btmp|lastlog|secure|auth\.log|messages|syslog)/
	condition:
		elf_or_script and small and 2 of them
}

rule xor_decoder : obfuscation
{
	meta:
		description = "decrypts bytes in a loop and makes memory executable"
		technique = "T1140"
		weight = 5
	strings:
		/* xor byte [reg+reg], imm8 / reg8 ... inc; cmp; jb|jne backwards */
		$x1 = { 80 3? ?? 48 ff c? 48 39 ?? 7? (e? | f?) }
		/* Each its own text, or YARA finds no good bytes to look for first. */
		$x2a = { 80 34 ?? [1-2] 48 (ff c0 | ff c1 | ff c2 | ff c3 | ff c4 | ff c5 | ff c6 | ff c7 | ff c8 | ff c9 | ff ca | ff cb | ff cd | ff ce | ff cf | 83 c0 01 | 83 c1 01 | 83 c2 01 | 83 c3 01 | 83 c5 01 | 83 c6 01 | 83 c7 01) [0-4] (48 | 4c) (39 | 3b | 83) [1-3] 7? (c? | d? | e? | f?) }
		$x2b = { 80 74 ?? [1-2] 48 (ff c0 | ff c1 | ff c2 | ff c3 | ff c4 | ff c5 | ff c6 | ff c7 | ff c8 | ff c9 | ff ca | ff cb | ff cd | ff ce | ff cf | 83 c0 01 | 83 c1 01 | 83 c2 01 | 83 c3 01 | 83 c5 01 | 83 c6 01 | 83 c7 01) [0-4] (48 | 4c) (39 | 3b | 83) [1-3] 7? (c? | d? | e? | f?) }
		$x3a = { 30 04 ?? 48 (ff c0 | ff c1 | ff c2 | ff c3 | ff c4 | ff c5 | ff c6 | ff c7 | ff c8 | ff c9 | ff ca | ff cb | ff cd | ff ce | ff cf | 83 c0 01 | 83 c1 01 | 83 c2 01 | 83 c3 01 | 83 c5 01 | 83 c6 01 | 83 c7 01) [0-4] (48 | 4c | 49) (39 | 3b | 83 | 81) [1-6] 7? (c? | d? | e? | f?) }
		$x3b = { 30 0c ?? 48 (ff c0 | ff c1 | ff c2 | ff c3 | ff c4 | ff c5 | ff c6 | ff c7 | ff c8 | ff c9 | ff ca | ff cb | ff cd | ff ce | ff cf | 83 c0 01 | 83 c1 01 | 83 c2 01 | 83 c3 01 | 83 c5 01 | 83 c6 01 | 83 c7 01) [0-4] (48 | 4c | 49) (39 | 3b | 83 | 81) [1-6] 7? (c? | d? | e? | f?) }
		$x3c = { 30 14 ?? 48 (ff c0 | ff c1 | ff c2 | ff c3 | ff c4 | ff c5 | ff c6 | ff c7 | ff c8 | ff c9 | ff ca | ff cb | ff cd | ff ce | ff cf | 83 c0 01 | 83 c1 01 | 83 c2 01 | 83 c3 01 | 83 c5 01 | 83 c6 01 | 83 c7 01) [0-4] (48 | 4c | 49) (39 | 3b | 83 | 81) [1-6] 7? (c? | d? | e? | f?) }
		$x3d = { 30 1c ?? 48 (ff c0 | ff c1 | ff c2 | ff c3 | ff c4 | ff c5 | ff c6 | ff c7 | ff c8 | ff c9 | ff ca | ff cb | ff cd | ff ce | ff cf | 83 c0 01 | 83 c1 01 | 83 c2 01 | 83 c3 01 | 83 c5 01 | 83 c6 01 | 83 c7 01) [0-4] (48 | 4c | 49) (39 | 3b | 83 | 81) [1-6] 7? (c? | d? | e? | f?) }
		$x4 = { 83 f? ?? 88 [1-6] (48 | 49) (ff c? | 83 c? 01) [0-6] 7? (c? | d? | e? | f?) }
		$protect = "mprotect" fullword
		$map = "mmap" fullword
		/* mmap or mprotect with PROT_READ|WRITE|EXEC or READ|EXEC as third argument */
		$rwx1 = { ba 05 00 00 00 }
		$rwx2 = { ba 07 00 00 00 }
	condition:
		uint32(0) == 0x464c457f and filesize < 500KB and any of ($x*) and any of ($rwx*) and ($protect or $map)
}

rule credential_access : credentials
{
	meta:
		description = "gathers keys and passwords of others"
		technique = "T1552"
		weight = 10
	strings:
		$c1 = "/.ssh/id_rsa"
		$c2 = "/.aws/credentials"
		$c3 = "/etc/shadow"
		$c4 = "/.docker/config.json"
		$c5 = "/.git-credentials"
		$c6 = "/.bash_history"
		$c7 = "/.kube/config"
		$c8 = "logins.json"
	condition:
		elf_or_script and small and 4 of them
}

rule kernel_rootkit : rootkit
{
	meta:
		description = "a kernel module that changes the table of system calls or hides itself"
		technique = "T1014"
		weight = 20
	strings:
		$vermagic = "vermagic="
		$s1 = "sys_call_table"
		$s2 = "kallsyms_lookup_name"
		$s3 = "getdents64"
		$s4 = "tcp4_seq_show"
		$s5 = "commit_creds"
		$s6 = "__x64_sys_kill"
		$s7 = "ftrace_set_filter_ip"
	condition:
		uint32(0) == 0x464c457f and $vermagic and ($s1 or ($s3 and 2 of ($s2, $s4, $s6, $s7)) or ($s6 and $s5))
}

rule preload_rootkit : rootkit
{
	meta:
		description = "a library that stands before the C library's way of listing files and processes"
		technique = "T1574.006"
		weight = 15
	strings:
		$d1 = "readdir" fullword
		$d2 = "readdir64" fullword
		$next = "dlsym" fullword
		$p1 = "/proc/self/fd/%d"
		$p2 = "/proc/%s/stat"
		$p3 = "/proc/net/tcp"
		$p4 = "ld.so.preload"
	condition:
		uint32(0) == 0x464c457f and uint16(16) == 3 and filesize < 300KB and all of ($d*) and $next and 2 of ($p*)
}
