#!/usr/bin/env bats
# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
# shellcheck disable=SC2016 # jq and the scripts of images expand what stands in single quotes
# What an image of the initial file system runs that no package's file explains, in a root that is made here.

setup() {
	load common
	cd "$TMP" || return 1
	R=$TMP/r
	mkdir -p r/boot r/var/lib/dpkg/info r/usr/bin r/usr/share/initramfs-tools/scripts/init-top r/etc/initramfs-tools i
	ln -s usr/bin r/bin
	printf '#!/bin/sh\n. /scripts/functions\nexec run-init\n' | owned /usr/share/initramfs-tools/init 755
	printf 'helps() { :; }\n' | owned /usr/share/initramfs-tools/scripts/functions
	printf '#!/bin/sh\necho top\n' | owned /usr/share/initramfs-tools/scripts/init-top/udev 755
	owned /usr/bin/busybox 755 </usr/bin/true
	printf 'MODULES=most\nCOMPRESS=zstd\n' >r/etc/initramfs-tools/initramfs.conf
	printf 'ENV{X}=="1", RUN+="/bin/x"\n' >r/etc/50-x.rules
	# a configuration file has its sum in the status
	mkdir -p r/etc/udev/rules.d
	mv r/etc/50-x.rules r/etc/udev/rules.d/
	echo /etc/udev/rules.d/50-x.rules >>r/var/lib/dpkg/info/boot.list
	printf 'Package: boot\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nConffiles:\n /etc/udev/rules.d/50-x.rules %s\n\n' \
		"$(md5sum <r/etc/udev/rules.d/50-x.rules | cut -d' ' -f1)" >r/var/lib/dpkg/status
	# what mkinitramfs makes of it
	cp r/usr/share/initramfs-tools/init i/init
	mkdir -p i/usr/bin i/conf/conf.d i/etc/udev/rules.d i/usr/lib/modules/6/kernel
	cp -r r/usr/share/initramfs-tools/scripts i/
	cp r/usr/bin/busybox i/usr/bin/busybox
	ln i/usr/bin/busybox i/usr/bin/sh
	ln -s usr/bin i/bin
	cp r/etc/initramfs-tools/initramfs.conf i/conf/
	printf 'DPKG_ARCH=amd64\n' >i/conf/arch.conf
	printf '# written\nexport RESUME="UUID=0f-1"\n' >i/conf/conf.d/resume
	printf '/scripts/init-top/udev "$@"\n[ -e /conf/param.conf ] && . /conf/param.conf\n' >i/scripts/init-top/ORDER
	cp r/etc/udev/rules.d/50-x.rules i/etc/udev/rules.d/
	printf 'kernel/x.ko:\n' >i/usr/lib/modules/6/modules.dep
	head -c 300 /dev/urandom >i/etc/ld.so.cache
}

# owned PATH [MODE]: standard input as that file of the root, of package boot
owned() {
	mkdir -p "$R$(dirname "$1")"
	cat >"$R$1"
	chmod "${2:-644}" "$R$1"
	echo "$1" >>"$R/var/lib/dpkg/info/boot.list"
	(cd "$R" && md5sum ".$1" | sed 's| \./| |' >>var/lib/dpkg/info/boot.md5sums)
}

# early: an archive of microcode, which stands first and is not compressed
early() {
	mkdir -p e/kernel/x86/microcode
	head -c 2000 /dev/zero | tr '\0' m >e/kernel/x86/microcode/GenuineIntel.bin
	(cd e && bsdtar -cf - --format newc --uid 0 --gid 0 kernel)
}
# archive [OPTION]: what stands in i/, compressed so
archive() { (cd i && bsdtar -cf - --format newc "$@" -- *); }
image() { { early && archive "$@"; } >"$R/boot/initrd.img-6"; }

scan() {
	run --separate-stderr -- mscan -o c.case -R r
	[ "$status" -eq 0 ] && [ -z "$output$stderr" ] || { echo "# $status $output $stderr"; return 1; }
	rm -rf x && mkdir x && bsdtar -xf c.case -C x && chmod -R u+rw x
}

sha() { sha256sum "$1" | cut -c1-64; }
# about DIGEST FILTER
about() { jq -e "$2" "x/code/$1/about.json" >/dev/null || { echo "# $2"; cat "x/code/$1/about.json"; return 1; }; }
# the signs of images in the last case
found() { cat x/code/*/about.json | jq -r '.signs[].name | select(startswith("initramfs-"))' | sort | uniq -c | tr -s ' \n' ' '; }

@test "initramfs: what a fresh image holds is explained, in every compression" {
	local how s
	for how in --gzip --xz --zstd --lz4 --lzma --bzip2 --no-xattrs; do
		image "$how"
		scan
		[ -z "$(found)" ] || { echo "# $how: $(found)"; cat x/code/*/about.json | jq -c 'select(any(.signs[]; .name | startswith("initramfs-")))'; false; }
		# and what somebody adds to it is found, wherever it lies
		printf '#!/bin/sh\n# %s\n/bin/x\n' "$how" >i/scripts/init-top/x
		chmod 755 i/scripts/init-top/x
		image "$how"
		scan
		[ "$(found)" = ' 1 initramfs-unexplained ' ] || { echo "# $how: $(found)"; false; }
		s=$(sha i/scripts/init-top/x)
		about "$s" '.kind == "script" and .paths == [] and .body == "collected" and .score > 3.5'
		about "$s" '.sightings == [{"how":"initramfs","file":"/boot/initrd.img-6","file_sha256":"'"$(sha r/boot/initrd.img-6)"'","member":"scripts/init-top/x","mode":"0755"}]'
		cmp "x/code/$s/body" i/scripts/init-top/x
		mpack -q -p <c.case | bsdtar -xOf - "code/$s/body" | cmp - i/scripts/init-top/x
		rm i/scripts/init-top/x
	done
}

@test "initramfs: the kernel's own lz4, its crc archives, and archives behind a compressed one" {
	local n
	{ early && archive | lz4 -l -q; } >r/boot/initrd.img-6
	scan
	[ -z "$(found)" ]
	mkdir j k
	printf '#!/bin/sh\necho j\n' >j/first
	printf '#!/bin/sh\necho k\n' >k/second
	for how in gzip xz 'zstd -q' 'lz4 -l -q'; do
		{
			early && archive | $how && head -c 512 /dev/zero && (cd j && bsdtar -cf - --format newc first) | $how
		} >r/boot/initrd.img-6
		# it begins at a multiple of four
		truncate -s %4 r/boot/initrd.img-6
		(cd k && bsdtar -cf - --format newc second) | sed 's/070701/070702/' >>r/boot/initrd.img-6
		scan
		[ "$(found)" = ' 2 initramfs-unexplained ' ] || { echo "# $how: $(found)"; cat x/code/*/about.json | grep initramfs-unread; false; }
		for n in j/first k/second; do cmp "x/code/$(sha "$n")/body" "$n"; done
	done
}

@test "initramfs: what is generated is told from what runs: settings, orders" {
	local n
	printf 'init=/tmp/x\n' >i/conf/conf.d/a
	printf 'RESUME=$(/bin/x)\n' >i/conf/conf.d/b
	printf 'ROOT=a;/bin/x\n' >i/conf/conf.d/c
	printf 'PATH=/x\n' >i/conf/conf.d/d
	printf 'RESUME=none\n' >i/scripts/functions2
	mkdir i/scripts/local-top
	printf '/scripts/init-top/udev "$@"; /bin/x\n' >i/scripts/local-top/ORDER
	printf '/scripts/init-top/udev "$@"\n' >i/scripts/local-top/other
	printf 'install x /bin/x\n' >i/etc/modprobe.conf
	mkdir i/etc/modprobe.d
	printf 'install x /bin/x\n' >i/etc/modprobe.d/x.conf
	image --zstd
	scan
	[ "$(found)" = ' 8 initramfs-unexplained ' ] || { found; cat x/code/*/about.json | jq -c 'select(any(.signs[]; .name | startswith("initramfs-"))) | .sightings'; false; }
	for n in conf/conf.d/{a,b,c,d} scripts/functions2 scripts/local-top/{ORDER,other} etc/modprobe.d/x.conf; do
		about "$(sha "i/$n")" '.sightings[0].member == "'"$n"'"'
	done
}

@test "initramfs: a file of the machine that no package owns is told as such, one that a package owns and that was altered too" {
	local s
	mkdir -p r/usr/local/bin i/usr/local/bin
	cp /usr/bin/false r/usr/local/bin/own
	cp r/usr/local/bin/own i/usr/local/bin/own
	image --xz
	scan
	[ -z "$(found)" ]
	s=$(sha r/usr/local/bin/own)
	about "$s" '.paths == ["/usr/local/bin/own"] and (.signs | map(.name) | index("startup-initramfs") and index("unowned")) and .sightings[0].how == "initramfs"'
	printf x >>i/usr/local/bin/own
	image --xz
	scan
	[ "$(found)" = ' 1 initramfs-unexplained ' ]
	about "$(sha i/usr/local/bin/own)" '.kind == "file" and .paths == []'
	cp r/usr/local/bin/own i/usr/local/bin/own
	sleep 1.1
	echo more | tee -a r/usr/bin/busybox >>i/usr/bin/busybox
	touch -d '2 days ago' r/var/lib/dpkg/info
	image --xz
	scan
	echo '# edited' >>r/etc/udev/rules.d/50-x.rules   # the image has what the package brought
	scan
	[ -z "$(found)" ]
	about "$(sha i/usr/bin/busybox)" '.paths == ["/usr/bin/busybox"] and (.signs | map(.name) | index("package-altered"))'
}

@test "initramfs: modules that are stored compressed are those of the image" {
	mkdir -p r/usr/lib/modules/6/kernel
	head -c 5000 /dev/urandom >i/usr/lib/modules/6/kernel/x.ko
	xz -c i/usr/lib/modules/6/kernel/x.ko | owned /usr/lib/modules/6/kernel/x.ko.xz
	cp i/usr/lib/modules/6/kernel/x.ko i/usr/lib/modules/6/kernel/y.ko
	echo y >>i/usr/lib/modules/6/kernel/y.ko
	image --zstd
	scan
	[ "$(found)" = ' 1 initramfs-unexplained ' ]
	about "$(sha i/usr/lib/modules/6/kernel/y.ko)" '.kind == "module" and .body == "collected"'
}

@test "initramfs: hostile images are findings, and the scan goes on" {
	local n
	printf '#!/bin/sh\necho first\n' >i/afirst
	image --gzip
	n=$(stat -c %s r/boot/initrd.img-6)
	# cut; other bytes in the middle; nothing compressed behind; another cpio
	head -c $((n / 2)) r/boot/initrd.img-6 >r/boot/initrd-cut
	{ head -c $((n / 2)) r/boot/initrd.img-6; head -c 4000 /dev/urandom; } >r/boot/initrd-torn
	{ cat r/boot/initrd.img-6; echo 'what is this'; } >r/boot/initrd-behind
	(cd i && bsdtar -cf - --format odc afirst) >r/boot/initrd-odc
	{ printf '07070100000001000081a4'; head -c 500 /dev/zero | tr '\0' z; } >r/boot/initrd-header
	archive --gzip | gzip >r/boot/initrd-twice
	{ printf '\0'; archive; } >r/boot/initrd-askew
	printf '07070100000001000081ed00000000000000000000000100000000ffffffff0000000000000000000000000000000000000005%s' "00000000name" >r/boot/initrd-huge
	echo 'sums and the like are none' >r/boot/initrd.img-6.sha256
	scan
	for n in cut torn behind odc header twice huge askew; do
		about "$(sha r/boot/initrd-$n)" '.paths == ["/boot/initrd-'"$n"'"] and any(.signs[]; .name == "initramfs-unread")'
	done
	[ "$(found)" = ' 1 initramfs-unexplained 8 initramfs-unread ' ]
	# what stood before the damage counts
	about "$(sha i/afirst)" '.sightings | map(.file) | index("/boot/initrd-behind") and index("/boot/initrd.img-6")'
}

@test "initramfs: what the kernel would unpack is not passed over, though we cannot" {
	printf '#!/bin/sh\necho first\n' >i/afirst
	{ printf '\0'; head -c 511 /dev/zero; archive --gzip; } >r/boot/initrd-zeros
	{ printf '\0\0'; archive --gzip; } >r/boot/initrd-two
	{ printf '\x89LZO\0\r\n\x1a\n'; head -c 3000 /dev/urandom; } >r/boot/initrd-lzo
	# another size of the dictionary
	archive --lzma >l
	{ printf '\x5d\0\0\x10\0'; tail -c +6 l; } >r/boot/initrd-lzma
	scan
	[ "$(found)" = ' 1 initramfs-unexplained 1 initramfs-unread ' ] || { found; false; }
	about "$(sha r/boot/initrd-lzo)" 'any(.signs[]; .name == "initramfs-unread")'
	about "$(sha i/afirst)" '[.sightings[].file] | sort == ["/boot/initrd-lzma","/boot/initrd-two","/boot/initrd-zeros"]'
}

@test "initramfs: what an image holds many times is looked up once" {
	mkdir -p b/bin b/libexec/muss r/usr/lib/modules/6/kernel
	cp "$BIN/mscan" b/bin/
	cp "$LIBEXEC/helper-initrd" b/libexec/muss/real
	export MUSS_SHARE=$ROOT/rules
	printf '#!/bin/sh\necho "asked $*" >>%s/log\nexec %s/b/libexec/muss/real "$@"\n' "$TMP" "$TMP" >b/libexec/muss/helper-initrd
	chmod 755 b/libexec/muss/helper-initrd
	head -c 5000 /dev/urandom >i/usr/lib/modules/6/kernel/x.ko
	xz -c i/usr/lib/modules/6/kernel/x.ko | owned /usr/lib/modules/6/kernel/x.ko.xz
	(cd i && bsdtar -cf - --format newc usr/lib/modules/6/kernel/x.ko{,,,,,}) >r/boot/initrd.img-6
	b/bin/mscan -q -R r -o c.case
	[ "$(cat log)" = $'asked \nasked digest' ] || { cat log; false; }
}

@test "initramfs: names that lead out of the image lead nowhere" {
	printf '#!/bin/sh\nout\n' >i/aaaaa
	archive | sed 's|aaaaa|../..|' >r/boot/initrd.img-6
	scan
	[ "$(found)" = ' 1 initramfs-unexplained ' ]
	about "$(sha i/aaaaa)" '.sightings[0].member == "" and .body == "collected"'
}

@test "initramfs: an image is unpacked only when it changed" {
	mkdir -p b/bin b/libexec/muss
	cp "$BIN/mscan" b/bin/
	cp "$LIBEXEC/helper-initrd" b/libexec/muss/real
	export MUSS_SHARE=$ROOT/rules
	printf '#!/bin/sh\necho "asked $*" >>%s/log\nexec %s/b/libexec/muss/real "$@"\n' "$TMP" "$TMP" >b/libexec/muss/helper-initrd
	chmod 755 b/libexec/muss/helper-initrd
	image --zstd
	sleep 2.1
	for n in 1 2 3; do b/bin/mscan -q -R r -i scan.idx -o c.case; done
	[ "$(cat log)" = 'asked ' ]
	: >log
	printf '#!/bin/sh\nx\n' >i/scripts/x
	image --zstd
	sleep 2.1
	b/bin/mscan -q -R r -i scan.idx -o c.case
	b/bin/mscan -q -R r -i scan.idx -o d.case
	# what is not explained: its bytes are asked for again, since no file has them
	[ "$(sed 's/[0-9][0-9]*/N/' log | tr '\n' '|')" = 'asked |asked N|asked N|' ] || { cat log; false; }
	for n in c d; do bsdtar -xOf $n.case "code/$(sha i/scripts/x)/body" | cmp - i/scripts/x; done
	[ "$(mls -j c.case | jq -c .signs)" = "$(mls -j d.case | jq -c .signs)" ]
	# a helper that fails is a finding
	printf '#!/bin/sh\nkill -SEGV $$\n' >b/libexec/muss/helper-initrd
	b/bin/mscan -q -R r -o c.case
	mls -j c.case | jq -es 'any(.paths == ["/boot/initrd.img-6"] and (.signs | index("initramfs-unread")))' >/dev/null
	# and one that is not there is told
	rm b/libexec/muss/helper-initrd
	run --separate-stderr b/bin/mscan -R r -o c.case
	[ "$status" -eq 0 ]
	[[ $stderr == *'the initial file systems were not looked at'* ]]
}
