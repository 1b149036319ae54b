# The static parser on damaged programs. make mutate tries ten thousand.

@test "300 damaged programs: no crash, no stall, the same result again" {
	run "$BATS_TEST_DIRNAME/mutate.sh" "$MUSS_BUILD" 300
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"300 mutants of "*" files: all well" ]]
	[ "$(grep -o '[0-9]* done, 0 crashed, 0 over the time, 0 over the memory, 0 refused; 0 failed;' <<<"$output" | awk '{ n += $1 } END { print n }')" -eq 300 ]
}
