#!/usr/bin/env bats
# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
# shellcheck disable=SC2016 # jq expands what stands in single quotes
# Scripts that packages run when they come and go, altered where dpkg keeps no sums, in roots that are made here.

# part ROOT NAME.ENDING: a file of a package as it was built two years ago
part() {
	printf '#!/bin/sh\n# %s\n' "$2" >"$1/var/lib/dpkg/info/$2"
	touch -d '2 years ago' "$1/var/lib/dpkg/info/$2"
}
# package ROOT NAME [ENDING...]: installed just now
package() {
	local e
	mkdir -p "$1/var/lib/dpkg/info"
	for e in "${@:3}" md5sums triggers; do part "$1" "$2.$e"; done
	printf '/.\n/usr\n/usr/%s\n' "$2" >"$1/var/lib/dpkg/info/$2.list"
	printf 'Package: %s\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n' "$2" >>"$1/var/lib/dpkg/status"
}

setup_file() {
	local i n
	for place in "$BATS_FILE_TMPDIR" "${MUSS_BUILD:-$BATS_TEST_DIRNAME/../build}" /var/tmp; do
		case $(stat -f -c %T "$place" 2>/dev/null) in tmpfs | ramfs | nfs* | fuse* | UNKNOWN* | '') continue ;; esac
		HOME_OF_FILES=$(mktemp -d "$place/mscan-packages.XXXXXX") || continue
		break
	done
	export HOME_OF_FILES
	[ -n "${HOME_OF_FILES:-}" ] || return 0
	cd "$HOME_OF_FILES" || return 1
	for n in clean altered added younger listed; do package r "$n" postinst prerm; done
	package r fresh
	touch -d '23 months ago' r/var/lib/dpkg/info/younger.prerm
	# an image of a system, where ctime is what mtime is
	package r image
	printf x >r/var/lib/dpkg/info/image.md5sums
	cp r/var/lib/dpkg/info/image.md5sums r/var/lib/dpkg/info/image.triggers
	for i in {1..40}; do package copy "p$i"; done
	sleep 11.1
	echo '/opt/x &' >>r/var/lib/dpkg/info/altered.postinst
	touch -r r/var/lib/dpkg/info/altered.prerm r/var/lib/dpkg/info/altered.postinst
	part r added.preinst
	part r fresh.config
	echo more >>r/var/lib/dpkg/info/listed.list
	echo '#!/bin/sh' >r/var/lib/dpkg/info/image.postinst
	echo more >>r/var/lib/dpkg/info/image.list
	for i in {1..40}; do part copy "p$i.postinst"; done
}

teardown_file() {
	[ -z "${HOME_OF_FILES:-}" ] || rm -rf "$HOME_OF_FILES"
}

setup() {
	load common
	[ -n "${HOME_OF_FILES:-}" ] || skip "no file system here tells when its files change"
	cd "$TMP" || return 1
}

# altered ROOT ARGS...: the names of scripts that are said to be altered
altered() {
	mscan -q -o c.case -R "$1" "${@:2}"
	rm -rf x && mkdir x && bsdtar -xf c.case -C x
	cat x/code/*/about.json 2>/dev/null | jq -r 'select(any(.signs[]; .name == "maintainer-altered")) | .paths[] | sub(".*/"; "")' | sort | tr '\n' ' '
}

@test "maintainer scripts: what was written after its package came, or is younger, is told; nothing else is" {
	[ "$(altered "$HOME_OF_FILES/r")" = 'added.preinst altered.postinst fresh.config younger.prerm ' ] || { altered "$HOME_OF_FILES/r"; false; }
	jq -es 'map(select(.paths == ["/var/lib/dpkg/info/altered.postinst"]))[0] | .kind == "script" and .score > 3.5
		and .sightings == [{"how":"startup","place":"packages","file":.paths[0],"file_sha256":.sha256,"whole":true,"owned":true}]
		and (.signs | map(.name)) == ["maintainer-altered"]' x/code/*/about.json
}

@test "maintainer scripts: on a system that was copied file by file ctime tells nothing, which is said" {
	run --separate-stderr mscan -o c.case -R "$HOME_OF_FILES/copy"
	[ "$status" -eq 0 ]
	[[ $stderr == *'the system seems to have been copied'* ]]
	[ -z "$(altered "$HOME_OF_FILES/copy")" ]
	echo more >>"$HOME_OF_FILES/copy/var/lib/dpkg/info/p7.postinst"
	[ "$(altered "$HOME_OF_FILES/copy")" = 'p7.postinst ' ]   # its mtime tells
}

@test "maintainer scripts: the scan index knows what changed while the package did not" {
	local r=$HOME_OF_FILES/again
	package "$r" one postinst
	package "$r" two postinst
	package "$r" three postinst
	sleep 2.1
	[ -z "$(altered "$r" -i scan.idx)" ]
	[ -z "$(altered "$r" -i scan.idx)" ]
	# all times are forged; the third is another version
	for n in one three; do
		echo '/opt/x &' >>"$r/var/lib/dpkg/info/$n.postinst"
		touch -d '2 years ago' "$r/var/lib/dpkg/info/$n".[mpt]*
	done
	sed -i '/Package: three/,/^$/s/Version: 1/Version: 2/' "$r/var/lib/dpkg/status"
	sleep 2.1
	[ "$(altered "$r" -i scan.idx)" = 'one.postinst ' ] || { altered "$r" -i scan.idx; false; }
	[ "$(altered "$r" -i scan.idx)" = 'one.postinst ' ]
	[ -z "$(altered "$r")" ]
}
