/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Offloads that transmit descriptors request (7.2.1, 7.2.4, 7.2.5): checksums, a VLAN tag,
 * segmentation, padding, FCS.
 *
 * The device computes them in its own memory, on a frame that has been gathered. The driver gives
 * the lengths of the headers in a context descriptor; the device compares them with the frame
 * before it uses them. The driver has put the sum of the pseudo-header into the checksum field, so
 * that the device adds up from the layer-4 header to the end. For segmentation that sum does not
 * include the length, because the length differs from segment to segment.
 */

#include <string.h>

#include "m82576_priv.h"

#define L4_TCP_CSUM  16
#define L4_UDP_CSUM  6
#define L4_SCTP_CSUM 8
#define TCP_MIN_HDR  20
#define UDP_HDR      8
#define IPV4_MIN_HDR 20
#define IPV6_HDR     40

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t
get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

/* A context descriptor, unpacked. */
struct offload {
	uint32_t maclen, iplen, l4len, mss, vlan;
	uint32_t l4t;
	bool ipv4, ixsm, txsm;
};

static void
unpack(const struct m82576_tx_ctx *c, uint32_t olinfo, struct offload *o)
{
	o->maclen = (c->vlan_macip_lens >> IGB_TXD_MACLEN_SHIFT) & 0x7F;
	o->iplen = c->vlan_macip_lens & IGB_TXD_IPLEN_MASK;
	o->vlan = c->vlan_macip_lens >> IGB_TXD_VLAN_SHIFT;
	o->l4len = (c->mss_l4len_idx >> IGB_TXD_L4LEN_SHIFT) & 0xFF;
	o->mss = c->mss_l4len_idx >> IGB_TXD_MSS_SHIFT;
	o->l4t = c->type_tucmd & IGB_TXD_TUCMD_L4T_MASK;
	o->ipv4 = c->type_tucmd & IGB_TXD_TUCMD_IPV4;
	o->ixsm = olinfo & IGB_TXD_POPTS_IXSM;
	o->txsm = olinfo & IGB_TXD_POPTS_TXSM;
}

static void
ip_checksum(uint8_t *ip, uint32_t iplen)
{
	uint16_t c;

	ip[10] = ip[11] = 0;
	c = (uint16_t)~m82576_csum_fold(m82576_csum_add(ip, iplen, 0));
	memcpy(ip + 10, &c, 2);
}

/*
 * Checksum @p len bytes from @p p on. The result goes to @p p + @p at, and includes what the driver
 * put there.
 */
static void
l4_checksum(uint8_t *p, uint32_t len, uint32_t at, uint32_t seed, bool udp)
{
	uint16_t c = (uint16_t)~m82576_csum_fold(m82576_csum_add(p, len, seed));

	if (udp && c == 0)
		c = 0xFFFF; /* 0 would mean "no checksum" (RFC 768) */
	memcpy(p + at, &c, 2);
}

static bool
checksums(uint8_t *f, uint32_t len, const struct offload *o)
{
	uint32_t l4 = o->maclen + o->iplen, crc;

	if (o->maclen < M82576_ETH_HDR_LEN || l4 > len)
		return false;
	if (o->ixsm && o->ipv4) {
		if (o->iplen < IPV4_MIN_HDR)
			return false;
		ip_checksum(f + o->maclen, o->iplen);
	}
	if (!o->txsm)
		return true;
	switch (o->l4t) {
	case IGB_TXD_TUCMD_L4T_TCP:
		if (l4 + TCP_MIN_HDR > len)
			return false;
		l4_checksum(f + l4, len - l4, L4_TCP_CSUM, 0, false);
		return true;
	case IGB_TXD_TUCMD_L4T_UDP:
		if (l4 + UDP_HDR > len)
			return false;
		l4_checksum(f + l4, len - l4, L4_UDP_CSUM, 0, true);
		return true;
	case IGB_TXD_TUCMD_L4T_SCTP:
		if (l4 + 12 > len)
			return false;
		crc = m82576_sctp_crc(f + l4, len - l4);
		memcpy(f + l4 + L4_SCTP_CSUM, &crc, 4);
		return true;
	}
	return false;
}

/* Checksum as legacy descriptors ask (7.2.2.1): from CSS to the end, stored at CSO. */
static bool
legacy_checksum(const struct m82576_txq *t, uint8_t *f, uint32_t len)
{
	uint32_t css = t->legacy.legacy.css, cso = t->legacy.legacy.cso;
	uint16_t c;

	if (css >= len || cso + 2 > len)
		return false;
	c = (uint16_t)~m82576_csum_fold(m82576_csum_add(f + css, len - css, 0));
	memcpy(f + cso, &c, 2);
	return true;
}

/* Finish a frame: VLAN tag, padding, FCS. @p f has M82576_HEADROOM bytes before it. */
static bool
finish(struct m82576 *m, const struct m82576_txq *t, uint8_t *f, uint32_t len, uint32_t tci,
		struct m82576_frame *frame)
{
	frame->flags = 0;
	if (len < M82576_ETH_HDR_LEN)
		return false;
	if (t->cmd & IGB_TXD_VLE) {
		memmove(f - M82576_VLAN_TAG_LEN, f, 12);
		f -= M82576_VLAN_TAG_LEN;
		len += M82576_VLAN_TAG_LEN;
		put16(f + 12, m82576_reg(m, IGB_VET) & 0xFFFF);
		put16(f + 14, tci);
	}
	if (!(t->cmd & IGB_TXD_IFCS)) {
		/* Software appended its own FCS. */
		uint32_t fcs, is;

		if (len < M82576_ETH_HDR_LEN + M82576_FCS_LEN)
			return false;
		len -= M82576_FCS_LEN;
		fcs = m82576_fcs(f, len);
		memcpy(&is, f + len, 4);
		if (fcs != is)
			frame->flags |= M82576_FRAME_BAD_FCS;
	} else if (len < M82576_MIN_FRAME && m82576_reg(m, IGB_TCTL) & IGB_TCTL_PSP) {
		memset(f + len, 0, M82576_MIN_FRAME - len);
		len = M82576_MIN_FRAME;
	}
	if (len > IGB_MAX_FRAME - M82576_FCS_LEN) {
		m82576_log_once(m, M82576_LOG_SIZE,
				"a frame of %u bytes to send, more than %u: dropped", len,
				IGB_MAX_FRAME - M82576_FCS_LEN);
		return false;
	}
	frame->data = f;
	frame->len = len;
	frame->rest = NULL;
	return true;
}

/*
 * Return why segmentation is impossible with the headers that the driver described; NULL: it is
 * possible.
 */
static const char *
tso_headers_wrong(const struct offload *o)
{
	uint32_t min = o->l4t == IGB_TXD_TUCMD_L4T_TCP ? TCP_MIN_HDR : UDP_HDR;

	if (o->l4t != IGB_TXD_TUCMD_L4T_TCP && o->l4t != IGB_TXD_TUCMD_L4T_UDP)
		return "neither TCP nor UDP";
	if (o->mss == 0)
		return "MSS is 0";
	if (o->maclen < M82576_ETH_HDR_LEN || o->l4len < min ||
			o->iplen < (o->ipv4 ? IPV4_MIN_HDR : IPV6_HDR))
		return "header lengths are too small";
	if (o->maclen + o->iplen + o->l4len + o->mss >
			IGB_MAX_FRAME - M82576_FCS_LEN - M82576_VLAN_TAG_LEN)
		return "segments would be longer than a frame may be";
	return NULL;
}

static const char *
tso_length_wrong(const struct m82576_txq *t, uint32_t hdr)
{
	if (hdr >= t->len)
		return "no payload behind the headers";
	if (t->olinfo >> IGB_TXD_PAYLEN_SHIFT != t->len - hdr)
		return "PAYLEN is not the buffers' length without the headers";
	return NULL;
}

/* Return whether @p why is NULL; else log it. */
static bool
tso_possible(struct m82576 *m, const char *why)
{
	if (why != NULL)
		m82576_log_once(m, M82576_LOG_TSO, "segmentation requested, but %s: frame dropped",
				why);
	return why == NULL;
}

static uint32_t
context_of(const struct m82576_txq *t)
{
	return (t->olinfo >> IGB_TXD_IDX_SHIFT) & IGB_TXD_IDX_MASK;
}

/*
 * Return whether the device can carry out what a frame's first descriptor and its context request,
 * as far as these two show. A frame for which it cannot is dropped before any of its data is read.
 */
bool
m82576_tx_start(struct m82576 *m, const struct m82576_txq *t)
{
	const uint32_t idx = context_of(t);
	struct offload o;

	if (idx >= IGB_TX_CONTEXTS || !t->ctx_valid[idx]) {
		m82576_log_once(m, M82576_LOG_TXD,
				"offloads requested with context %u, which was never set: "
				"frame dropped",
				idx);
		return false;
	}
	unpack(&t->ctx[idx], t->olinfo, &o);
	return !(t->cmd & IGB_TXD_TSE) || tso_possible(m, tso_headers_wrong(&o));
}

/* Make the next segment. The last one ends segmentation. */
bool
m82576_tx_segment(struct m82576 *m, struct m82576_txq *t, struct m82576_frame *frame)
{
	uint32_t hdr, n, total, mask, v;
	const uint8_t *src = m82576_tx_gathered(t);
	uint8_t *f = m->out + m->out_used + M82576_HEADROOM, *ip, *l4;
	struct offload o;
	bool last, tcp;

	unpack(&t->ctx[context_of(t)], t->olinfo, &o);
	hdr = o.maclen + o.iplen + o.l4len;
	n = t->len - t->tso_off;
	if (n > o.mss)
		n = o.mss;
	last = t->tso_off + n == t->len;
	tcp = o.l4t == IGB_TXD_TUCMD_L4T_TCP;
	total = hdr + n;
	memcpy(f, src, hdr);
	memcpy(f + hdr, src + t->tso_off, n);
	ip = f + o.maclen;
	l4 = ip + o.iplen;
	if (o.ipv4) {
		put16(ip + 2, total - o.maclen);
		put16(ip + 4, get16(ip + 4) + t->tso_n);
	} else {
		put16(ip + 4, total - o.maclen - IPV6_HDR);
	}
	if (tcp) {
		v = get32(l4 + 4) + (t->tso_off - hdr);
		put16(l4 + 4, v >> 16);
		put16(l4 + 6, v);
		/* Flags that remain set (8.12.5), for the first, middle and last segment. */
		if (last)
			mask = m82576_reg(m, IGB_DTXTCPFLGH);
		else if (t->tso_n == 0)
			mask = m82576_reg(m, IGB_DTXTCPFLGL);
		else
			mask = m82576_reg(m, IGB_DTXTCPFLGL) >> 16;
		if (last && t->tso_n == 0)
			mask = 0xFFF; /* the only segment */
		put16(l4 + 12, get16(l4 + 12) & (0xF000 | (mask & 0xFFF)));
	} else {
		put16(l4 + 4, o.l4len + n);
	}
	if (o.ixsm && o.ipv4)
		ip_checksum(ip, o.iplen);
	if (o.txsm) {
		uint8_t be[2];
		uint16_t le;

		/* The length for the pseudo-header, in the byte order of the sum. */
		put16(be, o.l4len + n);
		memcpy(&le, be, 2);
		l4_checksum(l4, o.l4len + n, tcp ? L4_TCP_CSUM : L4_UDP_CSUM, le, !tcp);
	}
	t->tso_off += n;
	t->tso_n++;
	t->tso = !last;
	m->out_used += (M82576_HEADROOM + total + 63) & ~63u;
	return finish(m, t, f, total, o.vlan, frame);
}

/*
 * Apply offloads to a frame that m82576_tx_start() accepted and that has been gathered.
 *
 * @return false: the frame is bad
 */
bool
m82576_tx_prepare(struct m82576 *m, struct m82576_txq *t, struct m82576_frame *frame)
{
	uint8_t *f = m82576_tx_gathered(t);
	struct offload o;

	if (t->is_legacy) {
		if (t->cmd & IGB_TXD_IC && !legacy_checksum(t, f, t->len)) {
			m82576_log_once(m, M82576_LOG_TXD,
					"CSS %u or CSO %u of a legacy descriptor is outside of "
					"its frame of %u bytes: dropped",
					t->legacy.legacy.css, t->legacy.legacy.cso, t->len);
			return false;
		}
		return finish(m, t, f, t->len, t->legacy.legacy.vlan, frame);
	}
	if (!m82576_tx_needs_context(t))
		return finish(m, t, f, t->len, 0, frame);
	unpack(&t->ctx[context_of(t)], t->olinfo, &o);
	if (t->cmd & IGB_TXD_TSE) {
		t->tso_off = o.maclen + o.iplen + o.l4len;
		if (!tso_possible(m, tso_length_wrong(t, t->tso_off)))
			return false;
		m82576_count(&m->txc.stat[M82576_STAT(IGB_TSCTC)], 1);
		t->tso_n = 0;
		return m82576_tx_segment(m, t, frame);
	}
	if ((o.ixsm || o.txsm) && !checksums(f, t->len, &o)) {
		m82576_log_once(m, M82576_LOG_TXD,
				"checksum requested with MACLEN %u, IPLEN %u in a frame of %u "
				"bytes: dropped",
				o.maclen, o.iplen, t->len);
		return false;
	}
	return finish(m, t, f, t->len, o.vlan, frame);
}
