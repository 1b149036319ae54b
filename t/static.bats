#!/usr/bin/env bats
# Static analysis from a file to its verdict: what a PE file's description says, and that honest programs are not malicious.

# shellcheck disable=SC2154 # run sets status, output, stderr and stderr_lines
load common

# analysed FILE...: their cases' members below x/code.
analysed() {
	mscan -f "$@" | mpack -p | mnicter micro --static >"$TMP/out.case"
	mkdir "$TMP/x"
	bsdtar -xf "$TMP/out.case" -C "$TMP/x"
	chmod -R u+rwX "$TMP/x"
}

@test "a PE file is described in the confined helper" {
	cp "$ROOT/t/fuzz/seeds/pe/all64" "$TMP/made.exe"
	analysed "$TMP/made.exe"
	cd "$TMP"/x/code/* || return
	jq -e '.format == "pe64-x86-64" and .parser == "ok" and .anomalies == [] and .size == 8272' static.json
	jq -e '.pe.imports[0].library == "KERNEL32.dll" and .pe.imphash == "a9919a20b638d60bcda929ff15b22e3e"' static.json
	jq -e '.pe.version.strings.CompanyName == "Makers of Tests" and .pe.time == "2020-09-13T12:26:40Z"' static.json
	jq -e '[.functions[].address] | index("140001000") and index("140001010")' static.json
	grep -q 'function 140001010' disasm.txt
	jq -e '.verdict != "malicious"' verdict.json
}

@test "headers that lie weigh, and alone make nothing malicious" {
	cp "$ROOT/t/fuzz/seeds/pe/all32" "$TMP/lies.exe"
	# the entry point within the headers, sections writable and executable, a wrong Rich header
	printf '\xc0\x03\0\0' | dd of="$TMP/lies.exe" bs=1 seek=$((0x128)) conv=notrunc status=none
	printf '\x20\0\0\xe0' | dd of="$TMP/lies.exe" bs=1 seek=$((0x1f8 + 36)) conv=notrunc status=none
	printf 'x' | dd of="$TMP/lies.exe" bs=1 seek=$((0x50)) conv=notrunc status=none
	analysed "$TMP/lies.exe"
	cd "$TMP"/x/code/* || return
	jq -e '[.signs[] | select(.weight > 0) | .name] | contains(["entry-in-headers", "segment-wx", "rich-wrong"])' static.json
	jq -e '[.anomalies[].name] | index("checksum-wrong")' static.json
	jq -e '.verdict != "malicious" and ([.reasons[] | select(.sign == "entry-in-headers" and .source == "static")] | length) == 1' verdict.json
}

@test "of this machine's programs and libraries of Windows none is malicious" {
	local files
	mapfile -t files < <(
		find /usr/bin /usr/lib -xdev -type f -size -300k \( -perm -u+x -o -name '*.so*' -o -name '*.o' \) 2>/dev/null | sort | awk 'NR % 97 == 1' | head -n 24
		find /usr/lib/gcc/*-w64-mingw32 -name '*.dll' -size -300k 2>/dev/null | sort | head -n 8
	)
	[ "${#files[@]}" -ge 8 ]
	analysed "${files[@]}"
	cat "$TMP"/x/code/*/static.json | jq -r .parser | sort | uniq -c
	[ "$(cat "$TMP"/x/code/*/verdict.json | jq -r 'select(.verdict == "malicious") | .sha256' | wc -l)" -eq 0 ]
	[ "$(cat "$TMP"/x/code/*/static.json | jq -r 'select((.format | startswith("elf") or startswith("pe")) and .parser != "ok") | .sha256' | wc -l)" -eq 0 ]
}
