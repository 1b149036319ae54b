#include "internet/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (NAMES_MOST * 2)
#define TRIES 64u             /* addresses that a name may be given before it shares one */

struct entry { char *name; uint32_t v4; };
struct pool { uint32_t first, size; };
struct names {
	struct pool *pools;
	size_t n_pools;
	struct in6_addr prefix;
	struct entry *entry;          /* [0] is nobody */
	uint32_t *by_name, *by_address;   /* SLOTS each, indexes into entry */
	size_t count, asked;
	uint64_t key[2];
};

/* Known to all, so that a name has one address in all runs; the tables' key is not. */
static const uint64_t address_key[2] = { 0x6d757373, 0x67617264656e };

static bool read_pool(const char *cidr, struct pool *p)
{
	const char *slash = cidr ? strchr(cidr, '/') : NULL;
	char text[INET_ADDRSTRLEN];
	struct in_addr a;
	unsigned long bits;
	char *end;

	if (!slash || (size_t)(slash - cidr) >= sizeof text)
		return false;
	memcpy(text, cidr, (size_t)(slash - cidr));
	text[slash - cidr] = '\0';
	bits = strtoul(slash + 1, &end, 10);
	if (inet_pton(AF_INET, text, &a) != 1 || *end || end == slash + 1 || bits < 8 || bits > 30)
		return false;
	p->size = 1u << (32 - bits);
	p->first = ntohl(a.s_addr) & ~(p->size - 1);
	return true;
}

struct names *names_new(const json_t *pools, const char *prefix6)
{
	struct names *t = buf_alloc(sizeof *t);

	t->n_pools = json_array_size(pools);
	t->pools = buf_alloc((t->n_pools + 1) * sizeof *t->pools);
	t->entry = buf_alloc((NAMES_MOST + 1) * sizeof *t->entry);
	t->by_name = buf_alloc(SLOTS * sizeof *t->by_name);
	t->by_address = buf_alloc(SLOTS * sizeof *t->by_address);
	t->key[0] = (uint64_t)clock_mono_ms() * 0x9e3779b97f4a7c15u;
	t->key[1] = (uint64_t)(uintptr_t)t;
	for (size_t i = 0; i < t->n_pools; i++)
		if (!read_pool(json_string_value(json_array_get(pools, i)), &t->pools[i]))
			goto bad;
	if (!t->n_pools || inet_pton(AF_INET6, prefix6, &t->prefix) != 1)
		goto bad;
	return t;
bad:
	names_free(t);
	return NULL;
}

static uint32_t choose(const struct names *t, const char *name, unsigned attempt)
{
	uint64_t key[2] = { address_key[0] + attempt, address_key[1] }, h = sip_hash(key, name, strlen(name));
	const struct pool *p = &t->pools[h % t->n_pools];

	/* Never a network's own address or its broadcast one: .0 and .255 look made up. */
	return p->first + ((uint32_t)(h >> 32) & (p->size - 1) & ~0xffu) + 1 + (uint32_t)(h >> 16) % (p->size < 256 ? p->size - 2 : 254);
}

static uint32_t *slot_of_name(const struct names *t, const char *name)
{
	size_t i = sip_hash(t->key, name, strlen(name)) % SLOTS;

	while (t->by_name[i] && strcmp(t->entry[t->by_name[i]].name, name) != 0)
		i = (i + 1) % SLOTS;
	return &t->by_name[i];
}

static uint32_t *slot_of_address(const struct names *t, uint32_t v4)
{
	size_t i = sip_hash(t->key, &v4, sizeof v4) % SLOTS;

	while (t->by_address[i] && t->entry[t->by_address[i]].v4 != v4)
		i = (i + 1) % SLOTS;
	return &t->by_address[i];
}

bool names_address(struct names *t, const char *name, uint32_t *v4)
{
	uint32_t *slot = slot_of_name(t, name), *back = NULL;

	if (*slot) {
		*v4 = t->entry[*slot].v4;
		return true;
	}
	t->asked++;
	for (unsigned i = 0; i < TRIES; i++) {
		*v4 = choose(t, name, i);
		back = slot_of_address(t, *v4);
		if (!*back)
			break;
	}
	if (*back || t->count >= NAMES_MOST) {
		*v4 = choose(t, name, 0);
		return false;
	}
	t->entry[++t->count] = (struct entry){ buf_strdup(name), *v4 };
	*slot = *back = (uint32_t)t->count;
	return true;
}

/* As content networks do it, the IPv4 address stands in the last four bytes. */
void names_v6(const struct names *t, uint32_t v4, struct in6_addr *a)
{
	uint32_t be = htonl(v4);

	*a = t->prefix;
	memcpy(a->s6_addr + 12, &be, 4);
}

const char *names_of(const struct names *t, const struct in6_addr *a)
{
	uint32_t v4;

	if (!IN6_IS_ADDR_V4MAPPED(a) && memcmp(a, &t->prefix, 12) != 0)
		return NULL;
	memcpy(&v4, a->s6_addr + 12, 4);
	return t->entry[*slot_of_address(t, ntohl(v4))].name;
}

void names_text(const struct in6_addr *a, char text[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, a->s6_addr + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a, text, INET6_ADDRSTRLEN);
}

json_t *names_all(const struct names *t, size_t most)
{
	json_t *o = json_object();
	char text[INET_ADDRSTRLEN];

	for (size_t i = 1; i <= t->count && i <= most; i++) {
		struct in_addr a = { htonl(t->entry[i].v4) };

		inet_ntop(AF_INET, &a, text, sizeof text);
		json_object_set_new(o, text, jsonio_name(t->entry[i].name));
	}
	return o;
}

size_t names_count(const struct names *t)
{
	return t->asked;
}

void names_free(struct names *t)
{
	if (!t)
		return;
	for (size_t i = 1; i <= t->count; i++)
		free(t->entry[i].name);
	free(t->entry);
	free(t->by_name);
	free(t->by_address);
	free(t->pools);
	free(t);
}
