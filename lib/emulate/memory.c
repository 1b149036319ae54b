/* Memory of the emulated machine: regions with rights. */
#include "emulate/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define REGIONS 65536u   /* a program that maps page by page */

static uint64_t down(uint64_t v)
{
	return v & ~(uint64_t)(MACHINE_PAGE - 1);
}

static bool span(uint64_t *address, uint64_t *size)
{
	uint64_t end;

	if (!*size || __builtin_add_overflow(*address, *size, &end) || end > UINT64_MAX - MACHINE_PAGE)
		return false;
	end = down(end + MACHINE_PAGE - 1);
	*address = down(*address);
	*size = end - *address;
	return true;
}

/* The first region that ends behind the address. */
static size_t first_after(const struct machine *m, uint64_t address)
{
	size_t low = 0, high = m->regions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->region[mid].address + m->region[mid].size <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct machine_region *machine_region_at(const struct machine *m, uint64_t address)
{
	size_t i = first_after(m, address);

	return i < m->regions && m->region[i].address <= address ? &m->region[i] : NULL;
}

static void insert(struct machine *m, size_t i, struct machine_region r)
{
	if (m->regions == m->region_room) {
		m->region_room = m->region_room ? m->region_room * 2 : 64;
		m->region = buf_realloc(m->region, m->region_room, sizeof *m->region);
	}
	memmove(&m->region[i + 1], &m->region[i], (m->regions - i) * sizeof *m->region);
	m->region[i] = r;
	m->regions++;
}

static void delete(struct machine *m, size_t i)
{
	m->regions--;
	memmove(&m->region[i], &m->region[i + 1], (m->regions - i) * sizeof *m->region);
}

bool machine_map(struct machine *m, uint64_t address, uint64_t size, unsigned prot, unsigned tag)
{
	uint64_t most = m->bits == 64 ? UINT64_C(1) << 47 : UINT64_C(0xffffe000);
	size_t i;

	if (!span(&address, &size) || address + size > most || size > m->l.memory || m->mapped > m->l.memory - size || m->regions >= REGIONS)
		return false;
	i = first_after(m, address);
	if (i < m->regions && m->region[i].address < address + size)
		return false;
	if (uc_mem_map(m->uc, address, size, prot))
		return false;
	insert(m, i, (struct machine_region){ address, size, prot, tag });
	m->mapped += size;
	return true;
}

/* So that [address, address + size) is made of whole regions; the first of them, or of what follows. */
static size_t cut(struct machine *m, uint64_t address, uint64_t size)
{
	uint64_t edge[2] = { address + size, address };
	size_t i = 0;

	for (size_t k = 0; k < 2; k++) {
		i = first_after(m, edge[k]);
		if (i < m->regions && m->region[i].address < edge[k]) {
			struct machine_region tail = m->region[i];

			m->region[i].size = edge[k] - tail.address;
			tail.size -= m->region[i].size;
			tail.address = edge[k];
			insert(m, ++i, tail);
		}
	}
	return i;
}

void machine_unmap(struct machine *m, uint64_t address, uint64_t size)
{
	size_t i;

	if (!span(&address, &size))
		return;
	for (i = cut(m, address, size); i < m->regions && m->region[i].address < address + size;) {
		uc_mem_unmap(m->uc, m->region[i].address, m->region[i].size);
		m->mapped -= m->region[i].size;
		delete(m, i);
	}
}

bool machine_protect(struct machine *m, uint64_t address, uint64_t size, unsigned prot)
{
	uint64_t at;
	size_t i;

	if (!span(&address, &size))
		return false;
	at = address;
	for (i = first_after(m, address); i < m->regions && m->region[i].address <= at && at < address + size; i++)
		at = m->region[i].address + m->region[i].size;
	if (at < address + size)
		return false;
	for (i = cut(m, address, size); i < m->regions && m->region[i].address < address + size; i++)
		m->region[i].prot = prot;
	return uc_mem_protect(m->uc, address, size, prot) == UC_ERR_OK;
}

uint64_t machine_find(const struct machine *m, uint64_t from, uint64_t below, uint64_t size, uint64_t align)
{
	uint64_t at = (from + align - 1) / align * align;

	for (size_t i = first_after(m, at); i < m->regions; i++) {
		if (m->region[i].address >= at && m->region[i].address - at >= size)
			break;
		at = (m->region[i].address + m->region[i].size + align - 1) / align * align;
	}
	return at < below && size <= below - at ? at : 0;
}

bool machine_read(const struct machine *m, uint64_t address, void *p, size_t n)
{
	memset(p, 0, n);
	return !n || uc_mem_read(m->uc, address, p, n) == UC_ERR_OK;
}

bool machine_write(struct machine *m, uint64_t address, const void *p, size_t n)
{
	if (!n)
		return true;
	if (uc_mem_write(m->uc, address, p, n))
		return false;
	/* Unicorn 2.0 goes on to run what was translated from the old bytes. */
	uc_ctl_remove_cache(m->uc, address, address + n);
	return true;
}

bool machine_put(struct machine *m, uint64_t address, const void *p, size_t n)
{
	if (!machine_write(m, address, p, n))
		return false;
	written_add(m, address, n);
	return true;
}

uint64_t machine_number(const struct machine *m, uint64_t address, size_t size)
{
	unsigned char b[8];
	uint64_t v = 0;

	if (!machine_read(m, address, b, size))
		return 0;
	for (size_t i = size; i-- > 0;)
		v = v << 8 | b[i];
	return v;
}

bool machine_put_number(struct machine *m, uint64_t address, uint64_t v, size_t size)
{
	unsigned char b[8];

	for (size_t i = 0; i < size; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	return machine_put(m, address, b, size);
}

bool machine_text(const struct machine *m, uint64_t address, unsigned width, size_t most, struct buf *out)
{
	for (size_t i = 0; i < most; i++, address += width) {
		unsigned char b[2];
		unsigned c;

		if (!machine_read(m, address, b, width))
			return false;
		c = width == 2 ? (unsigned)b[0] | (unsigned)b[1] << 8 : b[0];
		if (!c)
			return true;
		if (width == 1 || c < 0x80) {
			buf_addc(out, (char)c);
		} else if (c < 0x800) {
			buf_addc(out, (char)(0xc0 | c >> 6));
			buf_addc(out, (char)(0x80 | (c & 0x3f)));
		} else {
			buf_addc(out, (char)(0xe0 | c >> 12));
			buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
			buf_addc(out, (char)(0x80 | (c & 0x3f)));
		}
	}
	return true;
}
