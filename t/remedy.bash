# remedy: a case with an analysed specimen, made by hand, for the tests of mgen and mverify. Sourced after common.
# shellcheck shell=bash

# The specimen's place: another for each run of a test file, so that two runs do not see each other's processes.
MARK=remedy-test-$(cksum <<<"$BATS_FILE_TMPDIR" | cut -d' ' -f1)
LURK=/root/.cache/.$MARK/dbus-daemon
export MARK LURK

# specimen NAME SOURCE [CFLAGS...]: a program of testdata/specimen, its digest in SHA and size in SIZE.
specimen() {
	local name=$1 source=$2
	shift 2
	cc -O1 "$@" -o "$TMP/$name" "$ROOT/testdata/specimen/$source"
	SHA=$(sha256sum <"$TMP/$name" | cut -d' ' -f1)
	SIZE=$(stat -c %s "$TMP/$name")
}

# case_head: an empty case folder c/.
case_head() {
	mkdir -p "$TMP/c"
	printf '{"format":"muss-case/1","id":"00112233445566778899aabbccddeeff","time":"2026-01-01T00:00:00Z",%s}\n' \
		'"host":{"id":"ffeeddccbbaa99887766554433221100","name":"patient","os":{"id":"debian","version":"12"}},"trail":[]' >"$TMP/c/case.json"
}

# resident_code VERDICT [BODY]: the specimen resident as it was seen on a host and in the garden.
resident_code() {
	local d=$TMP/c/code/$SHA store=/var/lib/.systemd-private/udevd cron desktop
	mkdir -p "$d/dropped"
	printf '# collects statistics\n*/7 * * * * root %s >/dev/null 2>&1\n' "$store" >"$TMP/cron"
	printf '[Desktop Entry]\nType=Application\nName=D-Bus session\nExec=%s\nNoDisplay=true\n' "$store" >"$TMP/desktop"
	cron=$(sha256sum <"$TMP/cron" | cut -d' ' -f1)
	desktop=$(sha256sum <"$TMP/desktop" | cut -d' ' -f1)
	cp "$TMP/cron" "$d/dropped/$cron"
	cp "$TMP/desktop" "$d/dropped/$desktop"
	cp "${2:-$TMP/resident}" "$d/body"
	jq -n --arg sha "$SHA" --argjson size "$SIZE" --arg cron "$cron" --arg desktop "$desktop" --arg lurk "$LURK" '{sha256: $sha, kind: "file", size: $size, score: 90,
		paths: [$lurk, "/var/lib/.systemd-private/udevd"], signs: [], sightings: [
		{how: "exe", pid: 77, start: 1234, exe: $lurk},
		{how: "startup", place: "cron", file: "/etc/crontab", text: "@reboot root /var/lib/.systemd-private/udevd", whole: false},
		{how: "startup", place: "cron", file: "/etc/cron.d/sysstat-collect", file_sha256: $cron, whole: false,
		 text: "*/7 * * * * root /var/lib/.systemd-private/udevd >/dev/null 2>&1"},
		{how: "startup", place: "autostart", file: "/root/.config/autostart/dbus-session.desktop", file_sha256: $desktop, whole: true,
		 text: "Exec=/var/lib/.systemd-private/udevd"}]}' >"$d/about.json"
	jq -n --arg sha "$SHA" --argjson size "$SIZE" --arg cron "$cron" --arg desktop "$desktop" --arg lurk "$LURK" '{sha256: $sha, how: "garden", run: "ran",
		argv: [$lurk], processes: [], startup: [{place: "cron", file: "/etc/cron.d/sysstat-collect"}], files: [
		{path: "/etc/cron.d/sysstat-collect", change: "created", type: "file", sha256: $cron, size: 87,
		 lines: ["# collects statistics", "*/7 * * * * root /var/lib/.systemd-private/udevd >/dev/null 2>&1"]},
		{path: "/root/.config/autostart/dbus-session.desktop", change: "created", type: "file", sha256: $desktop, size: 104},
		{path: "/var/lib/.systemd-private", change: "created", type: "dir"},
		{path: "/var/lib/.systemd-private/udevd", change: "created", type: "file", sha256: $sha, size: $size}]}' >"$d/dynamic.json"
	printf '{"sha256":"%s","verdict":"%s","score":90,"reasons":[]}\n' "$SHA" "$1" >"$d/verdict.json"
}

# other_code VERDICT: a piece of code that is nothing.
other_code() {
	local sha
	printf '#!/bin/sh\nexit 0\n' >"$TMP/other"
	sha=$(sha256sum <"$TMP/other" | cut -d' ' -f1)
	mkdir -p "$TMP/c/code/$sha"
	cp "$TMP/other" "$TMP/c/code/$sha/body"
	printf '{"sha256":"%s","kind":"script","size":17,"paths":["/opt/other"],"sightings":[],"signs":[],"score":1}\n' "$sha" >"$TMP/c/code/$sha/about.json"
	printf '{"sha256":"%s","verdict":"%s","score":1,"reasons":[]}\n' "$sha" "$1" >"$TMP/c/code/$sha/verdict.json"
}

# pack FOLDER FILE: a case $TMP/FILE from a folder, as tar makes it.
pack() (
	cd "$1" || exit 1
	rm -f MANIFEST MANIFEST.sig
	{
		echo case.json
		find . -mindepth 2 -type f -printf '%P\n' | LC_ALL=C sort
	} >"$TMP/order"
	xargs sha256sum <"$TMP/order" >MANIFEST
	echo MANIFEST >>"$TMP/order"
	tar --format=pax --owner=0 --group=0 --mtime=@0 --pax-option=delete=atime,delete=ctime,delete=mtime -cf "$TMP/$2" -T "$TMP/order"
)

# member FILE PATH
member() {
	bsdtar -xOf "$1" "$2"
}
