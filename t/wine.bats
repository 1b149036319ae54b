#!/usr/bin/env bats
# Windows programs: run under Wine in the garden, and what they did is told with its right type and object, and nothing else.

# shellcheck disable=SC2154 # run sets status, output and stderr
load common

setup_file() {
	[ -x /usr/lib/wine/wine64 ] || skip "needs wine64"
	command -v clang >/dev/null || skip "needs clang"
	export SPECIMENS=$BATS_FILE_TMPDIR/specimens XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache
	"$ROOT/testdata/windows/build.sh" "$SPECIMENS"
}

setup() {
	cd "$TMP" || exit 1
}

# acts NAMES FILE: one run of the specimen that does these; its dynamic.json.
acts() {
	cp "$SPECIMENS/acts.exe" "$1.exe"
	echo "$1" >>"$1.exe"
	dynamic "$1.exe" >"$2"
	jq -e '.how == "wine" and .run == "ran"' "$2" >/dev/null || { jq -c '{how, run, reason}' "$2"; return 1; }
}

dynamic() {
	"$BIN/mscan" -q -f "$1" | "$BIN/mpack" -q -p | "$BIN/mnicter" micro -q >"$TMP/out.case"
	bsdtar -xOf "$TMP/out.case" 'code/*/dynamic.json'
}

# says FILE FILTER: a line of what it lists, or what it lists instead.
says() {
	jq -e "$2" "$1" >/dev/null && return
	echo "# not so: $2"
	jq -c '.startup[], .registry[], .files[], .processes[], .connections[], .signs[]' "$1" | cut -c1-300
	return 1
}

@test "a program that does nothing causes nothing" {
	acts inert inert.json
	says inert.json '[.files, .registry, .startup, .connections, .memory, .signs] | all(. == [])'
	says inert.json '[.processes[].path] | unique == ["C:\\users\\john\\Desktop\\inert.exe"]'
	says inert.json '[.calls[].call] | unique - ["GetModuleFileNameA", "GetFileAttributesA", "ExitProcess"] == []'
	says inert.json '[.runs[].setting] == ["windows-10", "windows-7", "windows-xp"]'
}

@test "start-up places of the registry" {
	acts run-key+run-machine+run-once+winlogon+image-options+appinit+active-setup+com+screensaver a.json
	says a.json '[.startup[] | [.place, .file, .value, .line]] | sort == ([
		["run-key", "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run", "Updater", "C:\\users\\Public\\update.exe -q"],
		["run-key", "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Run", "Updater", "C:\\users\\Public\\update.exe"],
		["run-once", "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\RunOnce", "Once", "C:\\users\\Public\\update.exe"],
		["winlogon", "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon", "Shell", "explorer.exe, C:\\users\\Public\\update.exe"],
		["image-options", "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options\\sethc.exe", "Debugger",
			"C:\\users\\Public\\update.exe"],
		["appinit", "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows", "AppInit_DLLs", "C:\\users\\Public\\hook.dll"],
		["active-setup", "HKLM\\Software\\Microsoft\\Active Setup\\Installed Components\\{muss}", "StubPath", "C:\\users\\Public\\update.exe"],
		["com", "HKCU\\Software\\Classes\\CLSID\\{00000000-1111-2222-3333-444444444444}\\InprocServer32", "", "C:\\x.dll"],
		["screensaver", "HKCU\\Control Panel\\Desktop", "SCRNSAVE.EXE", "C:\\users\\Public\\update.exe"]] | sort)'
	says a.json '.registry[] | select(.value == "Shell") | .change == "modified" and .type == "REG_SZ" and .before == "explorer.exe"'
	says a.json '.files == [] and .connections == [] and .memory == []'
}

@test "further places, services and files" {
	acts service+startup-folder+task+dropper+copier+print-monitor+lsa+boot-execute+netsh b.json
	says b.json '[.startup[] | [.place, .file, .value, .line]] | sort == ([
		["service", "HKLM\\System\\CurrentControlSet\\Services\\MussSvc", "ImagePath", "C:\\users\\Public\\update.exe -s"],
		["startup-folder", "C:\\users\\john\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\StartUp\\helper.exe", null, null],
		["task", "C:\\windows\\system32\\tasks\\Muss", null, null],
		["lsa", "HKLM\\System\\CurrentControlSet\\Control\\Lsa", "Notification Packages", "scecli\nmuss"],
		["boot-execute", "HKLM\\System\\CurrentControlSet\\Control\\Session Manager", "BootExecute", "autocheck\nmuss"],
		["print-monitor", "HKLM\\System\\CurrentControlSet\\Control\\Print\\Monitors\\Muss", "Driver", "muss.dll"],
		["netsh", "HKLM\\Software\\Microsoft\\NetSh", "muss", "C:\\muss.dll"]] | sort)'
	says b.json '[.files[].windows_path] | sort == ["C:\\ProgramData\\muss.dat",
		"C:\\users\\Public\\update.exe", "C:\\users\\john\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\StartUp\\helper.exe",
		"C:\\windows\\system32\\tasks\\Muss"]'
	says b.json '.registry[] | select(.value == "Start") | .type == "REG_DWORD" and .data == "2"'
	says b.json '.capabilities | any(.name == "persist-service")'
	[ "$(bsdtar -xOf "$TMP/out.case" "code/*/dropped/$(printf 'dropped by a specimen\n' | sha256sum | cut -d' ' -f1)")" = "dropped by a specimen" ]
}

@test "a program that deletes itself, and one that reaches into another" {
	acts self-delete c.json
	says c.json '.signs | any(.name == "deletes-itself")'
	says c.json '[.processes[] | select(.path == "cmd.exe")] | length == 1 and .[0].argv[1] == "/c"'
	says c.json '.registry == []'
	acts inject d.json
	says d.json '.signs | any(.name == "injects")'
	says d.json '[.calls[].call] | index("VirtualAllocEx") < index("CreateRemoteThread")'
	says d.json '.capabilities | any(.name == "inject-remote-thread")'
}

@test "names, HTTP and sockets" {
	acts dns+http+sockets e.json
	says e.json '[.connections[] | select(.protocol == "tcp") | [.address, .port]] | sort == [["192.0.2.7", 80], ["192.0.2.9", 6667]]'
	says e.json '.exchanges | tostring | contains("c2.muss.example") and contains("gate.php?id=1") and contains("NICK muss")'
	says e.json '.calls | any(.call == "gethostbyname" and .args == ["c2.muss.example"])'
	bsdtar -tf "$TMP/out.case" | grep -q '/net.pcap$'
}

@test "looking around, and code in memory" {
	acts debugger+clock+mutex+memory-code+watch-wine f.json
	says f.json '[.signs[].name] | contains(["watches-for-tracer", "watches-clock", "memory-code"])'
	says f.json '.calls | any(.call == "CreateMutexA" and .args[2] == "Global\\MussMutex" and .result != "0x0")'
	says f.json '.memory | length == 1 and .[0].size == 4096'
	bsdtar -xOf "$TMP/out.case" 'code/*/memory-dynamic/1' | head -c 13 | cmp - <(printf 'H\270muss-mem1\300\303')
	# Wine is not told by the export that programs ask for.
	says f.json '.calls | any(.call == "GetProcAddress" and .args[1] == "wine_get_version" and .result == "0x0")'
	says f.json '.files == []'
}

@test "one that sleeps is not waited for" {
	acts long-sleep g.json
	says g.json '.signs | any(.name == "long-sleep")'
	says g.json '(.limits | any(. == "quiet" or . == "time")) and .processes[0].end == "running" and .seconds < 25'
}

@test "without Wine, and 32-bit programs where none can run: what the emulator saw" {
	need_root
	cp "$SPECIMENS/several.exe" several.exe
	unshare -m sh -c 'mount -t tmpfs none /usr/lib/wine && "$@"' - bash -c "$(declare -f dynamic); dynamic several.exe" >h.json
	says h.json '.how == "emulator" and .run == "none" and (.reason | startswith("Wine is not installed"))'
	says h.json '.startup | any(.place == "run-key" and .line == "C:\\users\\Public\\update.exe -q" and
		.file == "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run")'
	says h.json '.startup | any(.place == "service" and .line == "C:\\users\\Public\\update.exe -s")'
	says h.json '.files | any(.windows_path == "C:\\ProgramData\\muss.dat" and .change == "created")'
	says h.json '.processes | any(.argv[0] == "cmd.exe /c echo muss")'
	says h.json '.connections == [{"protocol": "tcp", "address": "192.0.2.7", "port": 80, "event": "connect"}]'
	[ -e "$SPECIMENS/several-32.exe" ] || skip "needs a 32-bit Windows compiler for the rest"
	dynamic "$SPECIMENS/several-32.exe" >i.json
	jq -e '.how == "wine"' i.json && skip "32-bit programs run here"
	says i.json '.how == "emulator" and (.reason | startswith("a 32-bit program"))'
	says i.json '.startup | any(.place == "service")'
}

@test "the prefix is made once" {
	acts inert first.json
	find "$XDG_CACHE_HOME/muss" -name noise.json -printf '%p %i %T@\n' | sort >before
	acts inert second.json
	find "$XDG_CACHE_HOME/muss" -name noise.json -printf '%p %i %T@\n' | sort | cmp before -
	[ "$(du -sm "$XDG_CACHE_HOME/muss" | cut -f1)" -lt 40 ]
}
