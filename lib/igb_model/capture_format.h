/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Constants of the two formats: draft-ietf-opsawg-pcap (sections 4 and 5) and
 * draft-ietf-opsawg-pcapng (sections 4.1 to 4.4, and appendix A for the Packet Block).
 */

#ifndef CAPTURE_FORMAT_H
#define CAPTURE_FORMAT_H

/* pcap: header of the file. */
#define PCAP_MAGIC_US    0xA1B2C3D4u
#define PCAP_MAGIC_NS    0xA1B23C4Du
#define PCAP_MAGIC_MORE  0xA1B2CD34u /* old Linux libpcap: longer record headers */
#define PCAP_MORE        8           /* bytes longer: interface index, protocol, packet type */
#define PCAP_VERSION     0x00040002u /* 2.4, its two halves as a little-endian machine has them */
#define PCAP_LINK_MASK   0x03FFFFFFu
#define PCAP_FCS_PRESENT 0x04000000u
#define PCAP_FCS_SHIFT   28 /* length of the FCS, in units of 16 bits */

/* pcapng: blocks. */
#define NG_SHB        0x0A0D0D0Au /* Section Header: the same in both byte orders */
#define NG_IDB        1u          /* Interface Description */
#define NG_PB         2u          /* Packet: obsolete */
#define NG_SPB        3u          /* Simple Packet */
#define NG_EPB        6u          /* Enhanced Packet */
#define NG_BYTE_ORDER 0x1A2B3C4Du

/* pcapng: options. */
#define NG_OPT_END      0
#define NG_OPT_TSRESOL  9               /* of an interface */
#define NG_OPT_FCSLEN   13              /* of an interface */
#define NG_OPT_TSOFFSET 14              /* of an interface */
#define NG_OPT_FLAGS    2               /* of a packet */
#define NG_FLAGS_FCS(f) ((f) >> 5 & 15) /* in bytes; 0: as the interface states */
/*
 * Bits of a packet that its receiver sets: 24 wrong FCS, 28 unaligned frame, 29 wrong start frame
 * delimiter, 30 wrong preamble, 31 wrong symbol. Not included: 25 too long and 26 too short, which
 * the length shows, and 27 wrong gap before the frame, which does not affect the frame.
 */
#define NG_FLAGS_ERRORS (1u << 24 | 15u << 28)

#endif /* CAPTURE_FORMAT_H */
