#!/bin/sh
# dropper: a second inert stand-in, quite another kind: a resident shell script (README.md). It acts only in a root that
# holds /.muss-scratch, and ends when that file is gone.
[ -e /.muss-scratch ] || exit 0
store=/usr/local/lib/.cache-update
hook=/etc/profile.d/zz-cache.sh
mkdir -p /usr/local/lib /etc/profile.d
if [ ! -e "$store" ]; then
	cp "$0" "$store" && chmod 755 "$store"
fi
if [ ! -e "$hook" ]; then
	echo "( $store & ) >/dev/null 2>&1" > "$hook"
fi
[ "$0" = "$store" ] || rm -f "$0"
while [ -e /.muss-scratch ]; do
	sleep 1
done
