# Completion of the muss tools for bash: options come from each tool's own -h, so that they cannot differ from it.
# shellcheck shell=bash

_muss()
{
	local help tool=${1##*/} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verbs words
	COMPREPLY=()
	case $tool in
	mwhite) verbs="build add follow query revoke delta apply withdraw sources info" ;;
	mkey) verbs="init issue request sign revoke" ;;
	mnicter) verbs="micro index export" ;;
	magent) verbs="run status undo" ;;
	mcenter) verbs="run status publish" ;;
	*) verbs= ;;
	esac
	if [ -n "$verbs" ] && [ "$COMP_CWORD" -eq 1 ] && [[ $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur")
		[ "$tool" = mwhite ] || return
	fi
	case $tool:$prev in
	mnicter:index) [ "$COMP_CWORD" -eq 2 ] && mapfile -t COMPREPLY < <(compgen -W "build add query info" -- "$cur") && return ;;
	mverify:-e) mapfile -t COMPREPLY < <(compgen -W "host" -- "$cur") && return ;;
	mnicter:-f) mapfile -t COMPREPLY < <(compgen -W "stix misp yara html" -- "$cur") && return ;;
	mgen:-t) mapfile -t COMPREPLY < <(compgen -W "linux-x86_64" -- "$cur") && return ;;
	mscan:--explain) mapfile -t COMPREPLY < <(compgen -W "$("$1" --list-signs 2>/dev/null | cut -f1 -d' ')" -- "$cur") && return ;;
	mkey:*) [ "$COMP_CWORD" -eq 3 ] && [ "${COMP_WORDS[1]}" = issue ] &&
		mapfile -t COMPREPLY < <(compgen -W "host front analysis signer" -- "$cur") && return ;;
	esac
	if [[ $cur == -* ]]; then
		# From the table of options alone: what follows two spaces or a comma; examples and sentences name others' options.
		help=(-h)
		[ "$tool:${COMP_WORDS[1]}" = mnicter:index ] && help=(index -h)
		words=$("$1" "${help[@]}" 2>/dev/null | sed -nE '/^[Ee]xamples/q; /^  -/ { :a; s/^((  -[A-Za-z])+) -/\1  -/; ta; p; }' |
			grep -oE '(  |, )--?[a-zA-Z][a-zA-Z-]*' | tr -d ' ,' | sort -u)
		words+=" --help --version --quiet --verbose"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		return
	fi
	mapfile -O "${#COMPREPLY[@]}" -t COMPREPLY < <(compgen -f -- "$cur")
}

complete -o filenames -F _muss mscan mwhite mpack mls msend mrecv mkey mnicter mgen mverify magent mcenter
