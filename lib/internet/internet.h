/*
 * internet: the garden's dummy Internet: every address answers, and what is said to it is written down. It owns the services that imitate
 * servers, the names that lead to addresses and back, the certificates made on the spot, the capture of all packets and the scan profile.
 * Uses base and confine (and OpenSSL's TLS, for itself). Never knows what a sample, a world or a case is, and sends nothing anywhere
 * but into the network namespace that it was started in.
 */
#ifndef INTERNET_H
#define INTERNET_H

#include "base/base.h"

/*
 * The whole of helper-internet: serves until {"do":"stop"} or until `control` is closed. It is started in the run's network namespace, with
 * loopback up and all addresses local (`ip route add local default dev lo`), before what is to be watched starts there, and with the right
 * to open packet sockets (root of that namespace); once its sockets stand it gives up every right but to open further ports.
 *
 * control   a connected stream (or seqpacket) socket; a line of JSON a message, each answered by one, in order:
 *           (at first)                                   {"ready":true,"monotonic_ns":N}   (N: CLOCK_MONOTONIC of "t" 0)
 *           {"do":"open","protocol":"tcp"|"udp","port":N}  {"open":true|false}  false: the port cannot be had, the sample may listen there itself
 *           {"do":"close","protocol":..,"port":N}          {"closed":true}      the sample is about to bind it
 *           {"do":"authority"}                             {"authority":PEM}    of the certificate that signs all others
 *           {"do":"clock","offset_ns":N}                   {"clock":true}       what the sample's clock is ahead of this machine's
 *           {"do":"stop"}                                  {"scan":[..],"names":{address:name},"distinct_names":N,"limits":[..]}, and the end
 *           anything else                                  {"error":text}
 * records   a line of JSON an exchange is appended when it ends: see muss-garden(7)
 * pcap      takes the capture, libpcap's file format, Ethernet frames
 * settings  an object as in rules/garden/internet.json, borrowed; an absent member has its default
 * ready     called between the opening of all sockets and the first byte read: gives up rights. Not 0: internet_run fails
 * 0: stopped or left; -1: *e (69 what it needs cannot be had, 78 bad settings).
 */
struct internet_options {
	int control, records, pcap;
	json_t *settings;
	int (*ready)(struct err *e);
};
int internet_run(const struct internet_options *o, struct err *e);
/* An authority for the member "authority" of settings, so that several runs have the same: {"key":PEM,"cert":PEM,"hash": the name by which
 * OpenSSL looks for the certificate in a folder}. New reference. NULL: 69. */
json_t *internet_authority(struct err *e);

#endif
