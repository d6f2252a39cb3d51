/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The headers of a flow. Two tables describe all headers: groups[] has an entry for each object of
 * the OTG model that contains fields (a header, or a part of one: "ipv4.priority.dscp"), and
 * fields[] has an entry for each field. The code walks down the file by these tables; only links
 * between headers and computed fields need more:
 *
 * - A header determines the EtherType or the protocol in the header before it, unless the file
 *   gives a value for that. OTG's "tpid" of a VLAN tag is such a value: the EtherType before the
 *   tag, which is 0x8100 if the file does not have it.
 * - Lengths and checksums depend on the size of the frame. They become instructions for the code
 *   that makes frames (struct traffic_fix).
 *
 * OTG's defaults of three fields would make each frame invalid, and the model has no value "auto"
 * for them: the length of UDP (0), the data offset of TCP (0) and the tpid (65535). If the file
 * does not have such a field, its value is the valid one. OTG gives "fragment_offset" 5 bits, the
 * protocol has 13, and so has the table.
 */

#include <errno.h>
#include <stdlib.h>

#include "traffic_otg.h"

#define HEADERS (TRAFFIC_HEADERS_MAX / 4) /* The shortest header has 4 bytes. */
#define FIELDS  20                        /* fields of a group, at most */

/* Objects. Those of packet[] come first, and the default of a choice is its first entry. */
enum group_id {
	ETHERNET,
	VLAN,
	ARP,
	IPV4,
	IPV6,
	UDP,
	TCP,
	ICMP,
	ICMPV6,
	PRIORITY,
	DSCP,
	TOS,
	ECHO,
	ECHOV6,
	GROUPS,
	PACKET,
};

#define ETHER_TYPE(bit) .next_bit = (bit), .next_bits = 16
#define PROTOCOL(bit)   .next_bit = (bit), .next_bits = 8

static const struct group {
	const char *name;
	enum group_id up;
	bool is_choice; /* its entries exclude each other */
	/* Headers only. */
	uint8_t len;
	uint8_t protocol;    /* number of the header behind IP; 0: may not be there */
	uint16_t ether_type; /* likewise behind Ethernet */
	uint8_t next_bit;    /* field that has the number of the next header */
	uint8_t next_bits;   /* its bits; 0: no header may follow */
} groups[GROUPS] = {
	[ETHERNET] = { .name = "ethernet", .up = PACKET, .len = 14, ETHER_TYPE(96) },
	[VLAN] = { .name = "vlan", .up = PACKET, .len = 4, .ether_type = 0x8100, ETHER_TYPE(16) },
	[ARP] = { .name = "arp", .up = PACKET, .len = 28, .ether_type = 0x0806 },
	[IPV4] = { .name = "ipv4",
			.up = PACKET,
			.len = 20,
			.ether_type = 0x0800,
			.protocol = 4,
			PROTOCOL(72) },
	[IPV6] = { .name = "ipv6",
			.up = PACKET,
			.len = 40,
			.ether_type = 0x86DD,
			.protocol = 41,
			PROTOCOL(48) },
	[UDP] = { .name = "udp", .up = PACKET, .len = 8, .protocol = 17 },
	[TCP] = { .name = "tcp", .up = PACKET, .len = 20, .protocol = 6 },
	[ICMP] = { .name = "icmp", .up = PACKET, .is_choice = true, .len = 8, .protocol = 1 },
	[ICMPV6] = { .name = "icmpv6", .up = PACKET, .is_choice = true, .len = 8, .protocol = 58 },
	[PRIORITY] = { .name = "priority", .up = IPV4, .is_choice = true },
	[DSCP] = { .name = "dscp", .up = PRIORITY },
	[TOS] = { .name = "tos", .up = PRIORITY },
	[ECHO] = { .name = "echo", .up = ICMP },
	[ECHOV6] = { .name = "echo", .up = ICMPV6 },
};

/* The purpose of a field. */
enum role {
	PLAIN,
	NEXT,   /* number of the next header */
	TPID,   /* the field of the header before that has the number of this one */
	LENGTH, /* number of bytes from here to the end of the frame */
	SUM,    /* checksum of this header */
	CHECK,  /* checksum of the frame from here on */
	PSEUDO, /* likewise, with a pseudo header of IP */
};

/* clang-format off */
static const struct field {
	enum group_id group;
	const char *name;
	int bit; /* first bit, from the begin of the header */
	struct otg_field values;
	enum role role;
} fields[] = {
#define INT(group, name, bit, bits, fallback) \
	{ group, name, bit, { OTG_INTEGER, bits, 0, fallback }, PLAIN }
#define INT_AUTO(group, name, bit, bits, fallback, role) \
	{ group, name, bit, { OTG_INTEGER, bits, OTG_AUTO, fallback }, role }
#define INT_RANDOM(group, name, bit, bits) \
	{ group, name, bit, { OTG_INTEGER, bits, OTG_RANDOM, 0 }, PLAIN }
#define CHECKSUM(group, bit, name, role) \
	{ group, name, bit, { OTG_SUM, 16, OTG_AUTO, 0 }, role }

	{ ETHERNET, "dst", 0, { OTG_MAC, 48, OTG_AUTO, 0 }, PLAIN },
	{ ETHERNET, "src", 48, { OTG_MAC, 48, 0, 0 }, PLAIN },
	INT_AUTO(ETHERNET, "ether_type", 96, 16, 0xFFFF, NEXT),

	INT(VLAN, "priority", 0, 3, 0),
	INT(VLAN, "cfi", 3, 1, 0),
	INT(VLAN, "id", 4, 12, 0),
	{ VLAN, "tpid", -16, { OTG_INTEGER, 16, 0, 0xFFFF }, TPID },

	INT(ARP, "hardware_type", 0, 16, 1),
	INT(ARP, "protocol_type", 16, 16, 0x0800),
	INT(ARP, "hardware_length", 32, 8, 6),
	INT(ARP, "protocol_length", 40, 8, 4),
	INT(ARP, "operation", 48, 16, 1),
	{ ARP, "sender_hardware_addr", 64, { OTG_MAC, 48, 0, 0 }, PLAIN },
	{ ARP, "sender_protocol_addr", 112, { OTG_IPV4, 32, 0, 0 }, PLAIN },
	{ ARP, "target_hardware_addr", 144, { OTG_MAC, 48, 0, 0 }, PLAIN },
	{ ARP, "target_protocol_addr", 192, { OTG_IPV4, 32, 0, 0 }, PLAIN },

	INT(IPV4, "version", 0, 4, 4),
	INT_AUTO(IPV4, "header_length", 4, 4, 5, PLAIN),
	INT_AUTO(IPV4, "total_length", 16, 16, 46, LENGTH),
	INT(IPV4, "identification", 32, 16, 0),
	INT(IPV4, "reserved", 48, 1, 0),
	INT(IPV4, "dont_fragment", 49, 1, 0),
	INT(IPV4, "more_fragments", 50, 1, 0),
	INT(IPV4, "fragment_offset", 51, 13, 0),
	INT(IPV4, "time_to_live", 64, 8, 64),
	INT_AUTO(IPV4, "protocol", 72, 8, 61, NEXT),
	CHECKSUM(IPV4, 80, "header_checksum", SUM),
	{ IPV4, "src", 96, { OTG_IPV4, 32, OTG_RANDOM, 0 }, PLAIN },
	{ IPV4, "dst", 128, { OTG_IPV4, 32, OTG_RANDOM, 0 }, PLAIN },
	{ IPV4, "options", 0, { OTG_EMPTY, 0, 0, 0 }, PLAIN },
	INT(PRIORITY, "raw", 8, 8, 0),
	INT(TOS, "precedence", 8, 3, 0),
	INT(TOS, "delay", 11, 1, 0),
	INT(TOS, "throughput", 12, 1, 0),
	INT(TOS, "reliability", 13, 1, 0),
	INT(TOS, "monetary", 14, 1, 0),
	INT(TOS, "unused", 15, 1, 0),
	INT(DSCP, "phb", 8, 6, 0),
	INT(DSCP, "ecn", 14, 2, 0),

	INT(IPV6, "version", 0, 4, 6),
	INT(IPV6, "traffic_class", 4, 8, 0),
	INT_RANDOM(IPV6, "flow_label", 12, 20),
	INT_AUTO(IPV6, "payload_length", 32, 16, 0, LENGTH),
	INT_AUTO(IPV6, "next_header", 48, 8, 59, NEXT),
	INT(IPV6, "hop_limit", 56, 8, 64),
	{ IPV6, "src", 64, { OTG_IPV6, 128, 0, 0 }, PLAIN },
	{ IPV6, "dst", 192, { OTG_IPV6, 128, 0, 0 }, PLAIN },

	INT_RANDOM(UDP, "src_port", 0, 16),
	INT_RANDOM(UDP, "dst_port", 16, 16),
	{ UDP, "length", 32, { OTG_INTEGER, 16, 0, 0 }, LENGTH },
	CHECKSUM(UDP, 48, "checksum", PSEUDO),

	INT_RANDOM(TCP, "src_port", 0, 16),
	INT_RANDOM(TCP, "dst_port", 16, 16),
	INT(TCP, "seq_num", 32, 32, 0),
	INT(TCP, "ack_num", 64, 32, 0),
	INT(TCP, "data_offset", 96, 4, 5),
	INT(TCP, "ecn_ns", 103, 1, 0),
	INT(TCP, "ecn_cwr", 104, 1, 0),
	INT(TCP, "ecn_echo", 105, 1, 0),
	INT(TCP, "ctl_urg", 106, 1, 0),
	INT(TCP, "ctl_ack", 107, 1, 0),
	INT(TCP, "ctl_psh", 108, 1, 0),
	INT(TCP, "ctl_rst", 109, 1, 0),
	INT(TCP, "ctl_syn", 110, 1, 0),
	INT(TCP, "ctl_fin", 111, 1, 0),
	INT(TCP, "window", 112, 16, 0),
	CHECKSUM(TCP, 128, "checksum", PSEUDO),

	INT(ECHO, "type", 0, 8, 8),
	INT(ECHO, "code", 8, 8, 0),
	CHECKSUM(ECHO, 16, "checksum", CHECK),
	INT(ECHO, "identifier", 32, 16, 0),
	INT(ECHO, "sequence_number", 48, 16, 0),

	INT(ECHOV6, "type", 0, 8, 128),
	INT(ECHOV6, "code", 8, 8, 0),
	CHECKSUM(ECHOV6, 16, "checksum", PSEUDO),
	INT(ECHOV6, "identifier", 32, 16, 0),
	INT(ECHOV6, "sequence_number", 48, 16, 0),
};
/* clang-format on */

#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* A header of the flow. */
struct header {
	enum group_id id;
	uint16_t at;       /* first byte */
	bool next_is_auto; /* the next header determines its EtherType or protocol */
	bool has_length, has_sum;
	struct traffic_fix length, sum; /* if it has them */
};

/* The headers of a flow while they are read. */
struct packet {
	struct traffic_flow *flow;
	struct header headers[HEADERS];
	unsigned int nr;
	const struct header *ip; /* innermost IP header */
};

/* Note that a field of the last header is computed. */
static void
compute(struct packet *p, const struct field *f, bool is_bad)
{
	struct header *h = &p->headers[p->nr - 1];
	struct traffic_fix fix = { .at = h->at + f->bit / 8, .from = h->at, .bad = is_bad };

	if (f->role == LENGTH) {
		/* The length of IPv6 is that of its payload. */
		fix.kind = TRAFFIC_FIX_LENGTH;
		fix.from += h->id == IPV6 ? groups[IPV6].len : 0;
		h->length = fix;
		h->has_length = true;
		return;
	}
	fix.kind = TRAFFIC_FIX_SUM;
	if (f->role == SUM) {
		fix.to = h->at + groups[h->id].len;
	} else if (f->role == PSEUDO) {
		fix.kind = p->ip->id == IPV4 ? TRAFFIC_FIX_SUM_IP4 : TRAFFIC_FIX_SUM_IP6;
		fix.ip = p->ip->at;
		fix.proto = groups[h->id].protocol;
		fix.zero_is_ones = h->id == UDP;
	}
	h->sum = fix;
	h->has_sum = true;
}

/* Add a pattern to the flow, or store its only value. Take the list of the pattern. */
static int
add_pattern(const struct otg_node *n, struct packet *p, struct traffic_pattern *pattern)
{
	struct traffic_flow *flow = p->flow;
	struct traffic_pattern *patterns;

	traffic_put_bits(flow->headers, pattern->bit, pattern->bits,
			traffic_pattern_at(pattern, 0));
	if (pattern->count == 1)
		return 0;
	patterns = realloc(flow->patterns, (flow->nr_patterns + 1) * sizeof(*patterns));
	if (patterns == NULL) {
		free(pattern->list);
		return otg_no_memory(n);
	}
	patterns[flow->nr_patterns++] = *pattern;
	flow->patterns = patterns;
	return 0;
}

/* Check that a tpid does not contradict a given EtherType of the header before. */
static int
check_tpid(const struct otg_node *n, const struct packet *p, const struct traffic_pattern *pattern)
{
	const struct header *h = &p->headers[p->nr - 1];
	const uint8_t *type = p->flow->headers + h->at - 2;

	if (h[-1].next_is_auto ||
			(pattern->count == 1 &&
					pattern->first == (uint16_t)(type[0] << 8 | type[1])))
		return 0;
	return otg_refuse(n, "differs from the EtherType that the header before it has");
}

static int
get_field(const struct otg_node *n, struct packet *p, const struct field *f)
{
	struct header *h = &p->headers[p->nr - 1];
	struct traffic_pattern pattern;
	struct otg_computed computed;
	int ret;

	if (f->values.format == OTG_EMPTY)
		return otg_empty(n);
	if (n->json == NULL && f->role == TPID)
		return 0;
	ret = otg_pattern(n, &f->values, &pattern, &computed);
	if (ret != 0)
		return ret;
	if (n->json == NULL && f->role == LENGTH)
		computed.is_auto = true;
	pattern.bit = h->at * 8 + f->bit;
	/* Fields with the same seed, as those without any, must not have equal values. */
	if (pattern.kind == TRAFFIC_RANDOM)
		pattern.seed |= (uint64_t)pattern.bit << 32;
	if (f->role == NEXT)
		h->next_is_auto = computed.is_auto;
	if (f->role >= LENGTH && computed.is_auto) {
		compute(p, f, computed.is_bad);
		return 0;
	}
	if (f->role == TPID && check_tpid(n, p, &pattern) != 0) {
		free(pattern.list);
		return -EINVAL;
	}
	return add_pattern(n, p, &pattern);
}

/* Return the entry of a group at an index, groups before fields, or NULL behind the last one. */
static const char *
entry_at(enum group_id id, unsigned int index, const struct field **f, enum group_id *group)
{
	unsigned int i;

	*f = NULL;
	for (i = 0; i < GROUPS; i++) {
		*group = i;
		if (groups[i].up == id && index-- == 0)
			return groups[i].name;
	}
	for (i = 0; i < NR_FIELDS; i++) {
		*f = &fields[i];
		if (fields[i].group == id && index-- == 0)
			return fields[i].name;
	}
	return NULL;
}

/* Choose an entry of a group that is a choice, and check the keys of any group. */
static int
get_keys(const struct otg_node *n, enum group_id id, bool is_choice, unsigned int *chosen)
{
	const char *names[FIELDS];
	const struct field *f;
	enum group_id group;
	unsigned int nr = 0;
	int ret;

	while ((names[nr] = entry_at(id, nr, &f, &group)) != NULL)
		nr++;
	names[nr] = is_choice ? "choice" : NULL;
	names[nr + 1] = NULL;
	ret = otg_keys(n, names);
	names[nr] = NULL;
	if (ret == 0 && is_choice)
		ret = otg_choice(n, names, chosen);
	return ret;
}

/* Get all fields of a group. */
static int
get_group(const struct otg_node *n, struct packet *p, enum group_id id)
{
	struct otg_node member;
	unsigned int i, chosen = 0;
	const struct field *f;
	enum group_id group;
	const char *name;
	int ret;

	ret = get_keys(n, id, groups[id].is_choice, &chosen);
	for (i = 0; ret == 0; i++) {
		name = entry_at(id, i, &f, &group);
		if (name == NULL)
			break;
		if (groups[id].is_choice && i != chosen)
			continue;
		member = otg_member(n, name);
		ret = f != NULL ? get_field(&member, p, f) : get_group(&member, p, group);
	}
	return ret;
}

/* Append a header to those of the flow, and name it in the header before it. */
static int
add_header(const struct otg_node *n, struct packet *p, enum group_id id)
{
	const struct header *before = p->nr > 0 ? &p->headers[p->nr - 1] : NULL;
	struct traffic_flow *flow = p->flow;
	unsigned int number = 0, bits;
	struct header *h;

	if (before == NULL && id != ETHERNET)
		return otg_refuse(n, "the first header must be ethernet");
	if (flow->headers_len + groups[id].len > TRAFFIC_HEADERS_MAX)
		return otg_refuse(n, "the headers exceed %u bytes", TRAFFIC_HEADERS_MAX);
	if (before != NULL) {
		bits = groups[before->id].next_bits;
		if (bits > 0)
			number = bits == 16 ? groups[id].ether_type : groups[id].protocol;
		if (number == 0)
			return otg_refuse(n, "may not follow %s", groups[before->id].name);
		if (before->next_is_auto)
			traffic_put_bits(flow->headers,
					before->at * 8 + groups[before->id].next_bit, bits, number);
	}
	h = &p->headers[p->nr++];
	*h = (struct header){ .id = id, .at = flow->headers_len, .next_is_auto = true };
	flow->headers_len += groups[id].len;
	if (id == IPV4 || id == IPV6)
		p->ip = h;
	/* OTG's EtherType if no header follows. Ethernet has a field for it, a VLAN tag has not. */
	if (id == VLAN)
		traffic_put_bits(flow->headers, h->at * 8 + groups[id].next_bit, 16, 0xFFFF);
	return 0;
}

/* Get an element of packet[]. */
static int
get_header(const struct otg_node *n, struct packet *p)
{
	unsigned int chosen = 0;
	struct otg_node member;
	int ret;

	ret = get_keys(n, PACKET, true, &chosen);
	if (ret != 0)
		return ret;
	member = otg_member(n, groups[chosen].name);
	ret = add_header(&member, p, chosen);
	if (ret == 0)
		ret = get_group(&member, p, chosen);
	return ret;
}

/* Put the computed fields in their order: lengths, then checksums, the innermost header first. */
static int
add_fixes(const struct otg_node *n, struct packet *p)
{
	struct traffic_flow *flow = p->flow;
	unsigned int i;

	flow->fixes = calloc(2 * p->nr, sizeof(*flow->fixes));
	if (flow->fixes == NULL)
		return otg_no_memory(n);
	for (i = p->nr; i-- > 0;)
		if (p->headers[i].has_length)
			flow->fixes[flow->nr_fixes++] = p->headers[i].length;
	for (i = p->nr; i-- > 0;)
		if (p->headers[i].has_sum)
			flow->fixes[flow->nr_fixes++] = p->headers[i].sum;
	return 0;
}

int
traffic_headers(const struct otg_node *packet, struct traffic_flow *f)
{
	struct packet p = { .flow = f };
	struct otg_node element;
	size_t i, count;
	int ret;

	ret = otg_array(packet, &count);
	/* A packet without headers has the default one. */
	for (i = 0; ret == 0 && (i == 0 || i < count); i++) {
		element = otg_element(packet, i);
		ret = get_header(&element, &p);
	}
	if (ret == 0)
		ret = add_fixes(packet, &p);
	return ret;
}
