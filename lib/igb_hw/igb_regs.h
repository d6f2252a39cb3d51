/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Registers and descriptors of the Intel 82576, with the datasheet's names.
 *
 * The driver (drivers/net/igb) and the software device (lib/igb_model) share this file and the
 * vfio-user wire format, and no other file that describes the controller or its data. Both state
 * what the datasheet states, so neither side can hide a mistake of the other. Helpers that know
 * nothing of the controller serve both: lib/common, and the sockets and messages of lib/vfio_user.
 *
 * Source: "Intel 82576EB Gigabit Ethernet Controller Datasheet", chapter 8 (programming
 * interface) and chapter 7 (descriptors). A number in parentheses is a section of it. The sections
 * in the heading of a group describe those of its registers that have no number. Offsets are into
 * BAR 0, and ascend within a group. All registers are 32 bits wide and little-endian.
 *
 * Organisation: PCI identity and sizes; offsets of registers by subject; their bits, with the words
 * of the NVM and the registers of the PHY; receive and transmit descriptors, each with a drawing.
 *
 * A descriptor has two forms in the same 16 bytes:
 *
 *     driver                                            device
 *     writes the first form, stores the tail register ->  loads it, and uses the buffer
 *     loads DD (acquire), then what it needs          <-  writes it back, DD last (release)
 *
 * In between, the device owns the descriptor and its buffer. The theory of head, tail and DD is in
 * igb_ethdev.c for the driver, and in m82576.c for the device.
 *
 * Deliberately absent: functions, and structures for blocks of registers. The two sides access
 * registers in ways that have nothing in common.
 *
 * Access, as software sees it: RW read and write, RO read only, WO write only, RC a read clears,
 * W1C writing a 1 clears that bit.
 */

#ifndef IGB_REGS_H
#define IGB_REGS_H

#include <stdint.h>

/* PCI identity (9.4). */
/* clang-format off */
#define IGB_VENDOR_ID_INTEL      0x8086
#define IGB_DEV_ID_82576         0x10C9
#define IGB_DEV_ID_82576_FIBER   0x10E6
#define IGB_DEV_ID_82576_SERDES  0x10E7
#define IGB_DEV_ID_82576_NS      0x150A
#define IGB_DEV_ID_82576_NS_SERDES 0x1518
#define IGB_DEV_ID_82576_SERDES_QUAD 0x150D
#define IGB_DEV_ID_82576_QUAD_COPPER 0x10E8
#define IGB_DEV_ID_82576_QUAD_COPPER_ET2 0x1526
/* Successors of the 82576, which differ from it in few registers. */
#define IGB_DEV_ID_82580_COPPER  0x150E
#define IGB_DEV_ID_I350_COPPER   0x1521

/* Base address registers, BARs (9.4.11). */
#define IGB_BAR0_SIZE            0x20000 /* memory: registers */
#define IGB_BAR1_SIZE            0x20000 /* memory: flash */
#define IGB_BAR2_SIZE            0x20    /* I/O: IOADDR at 0, IODATA at 4 */
#define IGB_BAR3_SIZE            0x4000  /* memory: MSI-X table, PBA at 0x2000 */
#define IGB_MSIX_PBA_OFFSET      0x2000
#define IGB_MSIX_VECTORS         25

#define IGB_MAX_QUEUES           16
#define IGB_RING_ALIGN           128     /* bytes; also the granularity of RDLEN, TDLEN */
#define IGB_DESC_SIZE            16      /* every descriptor, every kind */
#define IGB_MAX_RING_BYTES       0x80000 /* RDLEN, TDLEN: bits 19:7 */
#define IGB_MAX_FRAME            9728    /* 9.5 KB, FCS included (RLPML, 8.10.3) */

/* General registers (8.2), EEPROM (8.4), flow control. */
#define IGB_CTRL                 0x00000 /* Device Control, RW (8.2.1) */
#define IGB_CTRL_DUP             0x00004 /* alias of CTRL (8.2.1) */
#define IGB_STATUS               0x00008 /* Device Status, RO (8.2.2) */
#define IGB_EECD                 0x00010 /* EEPROM Control, RW (8.4.1) */
#define IGB_EERD                 0x00014 /* EEPROM Read, RW (8.4.2) */
#define IGB_CTRL_EXT             0x00018 /* Extended Device Control, RW (8.2.3) */
#define IGB_FLA                  0x0001C /* Flash Access, RW */
#define IGB_MDIC                 0x00020 /* MDI Control, RW (8.2.4) */
#define IGB_SERDESCTL            0x00024 /* SerDes Analog Control, RW */
#define IGB_FCAL                 0x00028 /* Flow Control Address Low, RW */
#define IGB_FCAH                 0x0002C /* Flow Control Address High, RW */
#define IGB_FCT                  0x00030 /* Flow Control Type, RW */
#define IGB_CONNSW               0x00034 /* Copper/Fiber Switch Control, RW */
#define IGB_VET                  0x00038 /* VLAN Ether Type, RW (8.2.8) */
#define IGB_FCTTV                0x00170 /* Flow Control Transmit Timer Value, RW */
#define IGB_TXCW                 0x00178 /* Transmit Configuration Word, RW */
#define IGB_RXCW                 0x00180 /* Receive Configuration Word, RO */
#define IGB_LEDCTL               0x00E00 /* LED Control, RW */
#define IGB_MDICNFG              0x00E04 /* MDC/MDIO Configuration, RW */
#define IGB_EEMNGCTL             0x01010 /* Management EEPROM Control, RO (8.4.22) */
#define IGB_EEARBC               0x01024 /* EEPROM Auto-Read Bus Control, RW */
#define IGB_PBA_ECC              0x01100 /* Packet Buffer ECC, RW */
#define IGB_FCRTL                0x02160 /* Flow Control Receive Threshold Low, RW */
#define IGB_FCRTH                0x02168 /* Flow Control Receive Threshold High, RW */
#define IGB_FCRTV                0x02460 /* Flow Control Refresh Threshold Value, RW */

/*
 * Interrupts (8.8). The first five registers have two addresses each: the address that every
 * e1000 has, which drivers use and which is the only one that the 82576 of QEMU knows; and an
 * address of the 82576, in a block from 0x1500, four bytes apart.
 */
#define IGB_ICR                  0x000C0 /* Interrupt Cause Read, RC/W1C (8.8.9) */
#define IGB_ICS                  0x000C8 /* Interrupt Cause Set, WO */
#define IGB_IMS                  0x000D0 /* Interrupt Mask Set/Read, RW: write 1 to set */
#define IGB_IMC                  0x000D8 /* Interrupt Mask Clear, WO: write 1 to clear (8.8.12) */
#define IGB_IAM                  0x000E0 /* Interrupt Acknowledge Auto-Mask, RW */
#define IGB_ICR_BLOCK            0x01500 /* second address of ICR; the other four follow */
#define IGB_GPIE                 0x01514 /* General Purpose Interrupt Enable, RW */
#define IGB_EICS                 0x01520 /* Extended Interrupt Cause Set, WO */
#define IGB_EIMS                 0x01524 /* Extended Interrupt Mask Set/Read, RW */
#define IGB_EIMC                 0x01528 /* Extended Interrupt Mask Clear, WO */
#define IGB_EIAC                 0x0152C /* Extended Interrupt Auto-Clear, RW */
#define IGB_EIAM                 0x01530 /* Extended Interrupt Auto-Mask, RW */
#define IGB_EICR                 0x01580 /* Extended Interrupt Cause, RC/W1C */
#define IGB_EITR(n)              (0x01680 + 4 * (n)) /* Interrupt Throttle, RW; n: 0..24 */
/* Interrupt Vector Allocation, RW; n: 0..7; layout: IGB_IVAR_VALID. */
#define IGB_IVAR(n)              (0x01700 + 4 * (n))
/* Interrupt Vector Allocation, Miscellaneous, RW; byte 0: TCP timer, byte 1: other causes. */
#define IGB_IVAR_MISC            0x01740
#define IGB_PBACL                0x05B68 /* MSI-X Pending Bit Array Clear, W1C */

/* Receive (8.10). */
#define IGB_RCTL                 0x00100 /* Receive Control, RW (8.10.1) */
#define IGB_RXPBS                0x02404 /* Receive Packet Buffer Size, RW */
#define IGB_QDE                  0x02408 /* Queue Drop Enable, RW */
#define IGB_RXCSUM               0x05000 /* Receive Checksum Control, RW (8.10.17) */
#define IGB_RLPML                0x05004 /* Receive Long Packet Maximum Length, RW (8.10.3) */
#define IGB_RFCTL                0x05008 /* Receive Filter Control, RW */
#define IGB_PSRTYPE(n)           (0x05480 + 4 * (n)) /* Packet Split Receive Type, RW (8.10.4) */

/* Transmit (8.12). */
#define IGB_TCTL                 0x00400 /* Transmit Control, RW (8.12.1) */
#define IGB_TCTL_EXT             0x00404 /* Extended Transmit Control, RW */
#define IGB_TIPG                 0x00410 /* Transmit Inter-Packet Gap, RW */
#define IGB_TXPBS                0x03404 /* Transmit Packet Buffer Size, RW */
#define IGB_DTXCTL               0x03590 /* DMA Transmit Control, RW */
#define IGB_DTXTCPFLGL           0x0359C /* DMA Transmit TCP Flags Low, RW (8.12.5) */
#define IGB_DTXTCPFLGH           0x035A0 /* DMA Transmit TCP Flags High, RW (8.12.6) */

/*
 * Queue registers (8.10.5 ff., 8.12.8 ff.): sixteen receive and sixteen transmit queues, 0x40
 * bytes apart. Queues 0 to 3 also answer at 0x2800 and 0x3800, 0x100 bytes apart; drivers of the
 * 82575 use those addresses.
 */
#define IGB_RXQ_BASE             0x0C000
#define IGB_TXQ_BASE             0x0E000
#define IGB_QUEUE_STRIDE         0x40
#define IGB_RXQ_ALIAS_BASE       0x02800
#define IGB_TXQ_ALIAS_BASE       0x03800
#define IGB_QUEUE_ALIAS_STRIDE   0x100
#define IGB_QUEUE_ALIASES        4

/* Offsets in the block of a queue, the same for both directions. */
#define IGB_Q_BAL                0x00 /* RDBAL, TDBAL: ring base address 31:0, RW */
#define IGB_Q_BAH                0x04 /* RDBAH, TDBAH: ring base address 63:32, RW */
#define IGB_Q_LEN                0x08 /* RDLEN, TDLEN: ring size in bytes, RW */
#define IGB_Q_SRRCTL             0x0C /* Split and Replication Receive Control, RW (8.10.2) */
#define IGB_Q_HEAD               0x10 /* RDH, TDH: the position of the device, RW if disabled */
#define IGB_Q_DCA                0x14 /* DCA_RXCTRL, DCA_TXCTRL: Direct Cache Access, RW */
#define IGB_Q_TAIL               0x18 /* RDT, TDT: the doorbell, RW */
#define IGB_Q_DCTL               0x28 /* RXDCTL (8.10.8), TXDCTL (8.12.13), RW */
#define IGB_Q_RQDPC              0x30 /* receive only: Queue Drop Packet Count, RC */
#define IGB_Q_TDWBAL             0x38 /* transmit only: head write-back address 31:0, RW */
#define IGB_Q_TDWBAH             0x3C /* transmit only: head write-back address 63:32, RW */

#define IGB_RXQ(n, reg)          (IGB_RXQ_BASE + IGB_QUEUE_STRIDE * (n) + (reg))
#define IGB_TXQ(n, reg)          (IGB_TXQ_BASE + IGB_QUEUE_STRIDE * (n) + (reg))

#define IGB_RDBAL(n)             IGB_RXQ(n, IGB_Q_BAL) /* Rx Descriptor Base Address Low, RW */
#define IGB_RDBAH(n)             IGB_RXQ(n, IGB_Q_BAH) /* Rx Descriptor Base Address High, RW */
#define IGB_RDLEN(n)             IGB_RXQ(n, IGB_Q_LEN) /* Rx Descriptor Length, RW: bytes */
#define IGB_SRRCTL(n)            IGB_RXQ(n, IGB_Q_SRRCTL) /* Split and Replication, RW (8.10.2) */
#define IGB_RDH(n)               IGB_RXQ(n, IGB_Q_HEAD) /* Rx Descriptor Head, RW if disabled */
#define IGB_DCA_RXCTRL(n)        IGB_RXQ(n, IGB_Q_DCA) /* Rx DCA Control, RW */
#define IGB_RDT(n)               IGB_RXQ(n, IGB_Q_TAIL) /* Rx Descriptor Tail, RW */
#define IGB_RXDCTL(n)            IGB_RXQ(n, IGB_Q_DCTL) /* Rx Descriptor Control, RW (8.10.8) */
#define IGB_RQDPC(n)             IGB_RXQ(n, IGB_Q_RQDPC) /* Rx Queue Drop Packet Count, RC */
#define IGB_TDBAL(n)             IGB_TXQ(n, IGB_Q_BAL) /* Tx Descriptor Base Address Low, RW */
#define IGB_TDBAH(n)             IGB_TXQ(n, IGB_Q_BAH) /* Tx Descriptor Base Address High, RW */
#define IGB_TDLEN(n)             IGB_TXQ(n, IGB_Q_LEN) /* Tx Descriptor Length, RW: bytes */
#define IGB_TDH(n)               IGB_TXQ(n, IGB_Q_HEAD) /* Tx Descriptor Head, RW if disabled */
#define IGB_DCA_TXCTRL(n)        IGB_TXQ(n, IGB_Q_DCA) /* Tx DCA Control, RW */
#define IGB_TDT(n)               IGB_TXQ(n, IGB_Q_TAIL) /* Tx Descriptor Tail, RW */
#define IGB_TXDCTL(n)            IGB_TXQ(n, IGB_Q_DCTL) /* Tx Descriptor Control, RW (8.12.13) */
#define IGB_TDWBAL(n)            IGB_TXQ(n, IGB_Q_TDWBAL) /* Tx Head Write-Back Address Low, RW */
#define IGB_TDWBAH(n)            IGB_TXQ(n, IGB_Q_TDWBAH) /* Tx Head Write-Back Address High, RW */

/*
 * Statistics (8.19). Every register clears when it is read (RC). A read of the low half of a
 * 64-bit counter latches its high half.
 */
#define IGB_STATS_FIRST          0x04000
#define IGB_CRCERRS              0x04000 /* CRC Error Count */
#define IGB_ALGNERRC             0x04004 /* Alignment Error Count */
#define IGB_SYMERRS              0x04008 /* Symbol Error Count */
#define IGB_RXERRC               0x0400C /* Receive Error Count */
#define IGB_MPC                  0x04010 /* Missed Packets Count: no room in the packet buffer */
#define IGB_SCC                  0x04014 /* Single Collision Count */
#define IGB_ECOL                 0x04018 /* Excessive Collisions Count */
#define IGB_MCC                  0x0401C /* Multiple Collision Count */
#define IGB_LATECOL              0x04020 /* Late Collisions Count */
#define IGB_COLC                 0x04028 /* Collision Count */
#define IGB_CBTMPC               0x0402C /* Circuit Breaker Transmit Management Packet Count */
#define IGB_DC                   0x04030 /* Defer Count */
#define IGB_TNCRS                0x04034 /* Transmit with No CRS Count */
#define IGB_HTDPMC               0x0403C /* Host Transmit Discarded Packets by MAC Count */
#define IGB_RLEC                 0x04040 /* Receive Length Error Count */
#define IGB_CBRDPC               0x04044 /* Circuit Breaker Receive Dropped Packet Count */
#define IGB_XONRXC               0x04048 /* XON Received Count */
#define IGB_XONTXC               0x0404C /* XON Transmitted Count */
#define IGB_XOFFRXC              0x04050 /* XOFF Received Count */
#define IGB_XOFFTXC              0x04054 /* XOFF Transmitted Count */
#define IGB_FCRUC                0x04058 /* Flow Control Received Unsupported Count */
#define IGB_PRC64                0x0405C /* Packets Received, 64 bytes */
#define IGB_PRC127               0x04060 /* Packets Received, 65 to 127 bytes */
#define IGB_PRC255               0x04064 /* Packets Received, 128 to 255 bytes */
#define IGB_PRC511               0x04068 /* Packets Received, 256 to 511 bytes */
#define IGB_PRC1023              0x0406C /* Packets Received, 512 to 1023 bytes */
#define IGB_PRC1522              0x04070 /* Packets Received, 1024 bytes to the maximum */
#define IGB_GPRC                 0x04074 /* Good Packets Received Count */
#define IGB_BPRC                 0x04078 /* Broadcast Packets Received Count */
#define IGB_MPRC                 0x0407C /* Multicast Packets Received Count */
#define IGB_GPTC                 0x04080 /* Good Packets Transmitted Count */
#define IGB_GORCL                0x04088 /* Good Octets Received Count, low */
#define IGB_GORCH                0x0408C /* Good Octets Received Count, high */
#define IGB_GOTCL                0x04090 /* Good Octets Transmitted Count, low */
#define IGB_GOTCH                0x04094 /* Good Octets Transmitted Count, high */
#define IGB_RNBC                 0x040A0 /* Receive No Buffers Count: no descriptor */
#define IGB_RUC                  0x040A4 /* Receive Undersize Count */
#define IGB_RFC                  0x040A8 /* Receive Fragment Count */
#define IGB_ROC                  0x040AC /* Receive Oversize Count */
#define IGB_RJC                  0x040B0 /* Receive Jabber Count */
#define IGB_MNGPRC               0x040B4 /* Management Packets Received Count */
#define IGB_MPDC                 0x040B8 /* Management Packets Dropped Count */
#define IGB_MNGPTC               0x040BC /* Management Packets Transmitted Count */
#define IGB_TORL                 0x040C0 /* Total Octets Received, low */
#define IGB_TORH                 0x040C4 /* Total Octets Received, high */
#define IGB_TOTL                 0x040C8 /* Total Octets Transmitted, low */
#define IGB_TOTH                 0x040CC /* Total Octets Transmitted, high */
#define IGB_TPR                  0x040D0 /* Total Packets Received */
#define IGB_TPT                  0x040D4 /* Total Packets Transmitted */
#define IGB_PTC64                0x040D8 /* Packets Transmitted, 64 bytes */
#define IGB_PTC127               0x040DC /* Packets Transmitted, 65 to 127 bytes */
#define IGB_PTC255               0x040E0 /* Packets Transmitted, 128 to 255 bytes */
#define IGB_PTC511               0x040E4 /* Packets Transmitted, 256 to 511 bytes */
#define IGB_PTC1023              0x040E8 /* Packets Transmitted, 512 to 1023 bytes */
#define IGB_PTC1522              0x040EC /* Packets Transmitted, 1024 bytes to the maximum */
#define IGB_MPTC                 0x040F0 /* Multicast Packets Transmitted Count */
#define IGB_BPTC                 0x040F4 /* Broadcast Packets Transmitted Count */
#define IGB_TSCTC                0x040F8 /* TCP Segmentation Context Transmitted Count */
#define IGB_IAC                  0x04100 /* Interrupt Assertion Count */
#define IGB_RPTHC                0x04104 /* Receive Packets To Host Count */
#define IGB_HGPTC                0x04118 /* Host Good Packets Transmitted Count */
#define IGB_RXDMTC               0x04120 /* Receive Descriptor Minimum Threshold Count */
#define IGB_HGORCL               0x04128 /* Host Good Octets Received Count, low */
#define IGB_HGORCH               0x0412C /* Host Good Octets Received Count, high */
#define IGB_HGOTCL               0x04130 /* Host Good Octets Transmitted Count, low */
#define IGB_HGOTCH               0x04134 /* Host Good Octets Transmitted Count, high */
#define IGB_LENERRS              0x04138 /* Length Errors Count */
#define IGB_STATS_LAST           0x04138
#define IGB_SCVPC                0x04228 /* SerDes/SGMII Code Violation Packet Count, RC */

/* PCS (8.17): for SerDes. With copper the registers exist and report nothing. */
#define IGB_PCS_CFG              0x04200 /* PCS Configuration, RW */
#define IGB_PCS_LCTL             0x04208 /* PCS Link Control, RW */
#define IGB_PCS_LSTAT            0x0420C /* PCS Link Status, RO */

/* Filters (8.10.14 ff.). */
#define IGB_MTA(n)               (0x05200 + 4 * (n)) /* Multicast Table, RW (8.10.14); n: 0..127 */
/* Receive Address Low, RW (8.10.15); n: 0..23. The first 16 and the last 8 are apart. */
#define IGB_RAL(n)               ((n) < 16 ? 0x05400 + 8 * (n) : 0x054E0 + 8 * ((n) - 16))
#define IGB_RAH(n)               (IGB_RAL(n) + 4) /* Receive Address High, RW (8.10.16) */
#define IGB_SYNQF                0x055FC /* SYN Packet Queue Filter, RW */
#define IGB_VFTA(n)              (0x05600 + 4 * (n)) /* VLAN Filter Table, RW; n: 0..127 */
#define IGB_MRQC                 0x05818 /* Multiple Receive Queues Command, RW (8.10.18) */
#define IGB_VT_CTL               0x0581C /* Virtualization Control, RW */
#define IGB_VMOLR(n)             (0x05AD0 + 4 * (n)) /* VM Offload, RW; n: 0..7 */
#define IGB_RPLOLR               0x05AF0 /* Replication Offload, RW */
#define IGB_RETA(n)              (0x05C00 + 4 * (n)) /* Redirection Table, RW; n: 0..31 */
#define IGB_RSSRK(n)             (0x05C80 + 4 * (n)) /* RSS Random Key, RW; n: 0..9 */
#define IGB_UTA(n)               (0x0A000 + 4 * (n)) /* Unicast Table, WO; n: 0..127 */
#define IGB_NUM_RA               24
#define IGB_NUM_MTA              128
#define IGB_NUM_VFTA             128
#define IGB_NUM_RETA             128 /* entries, four in each register */

/* Management and semaphores (8.6 ff.). */
#define IGB_WUC                  0x05800 /* Wakeup Control, RW */
#define IGB_WUFC                 0x05808 /* Wakeup Filter Control, RW */
#define IGB_WUS                  0x05810 /* Wakeup Status, W1C */
#define IGB_MANC                 0x05820 /* Management Control, RW (8.21.1) */
#define IGB_MANC2H               0x05860 /* Management Control To Host, RW */
#define IGB_GCR                  0x05B00 /* PCIe Control, RW */
#define IGB_FACTPS               0x05B30 /* Function Active and Power State, RO */
#define IGB_SWSM                 0x05B50 /* Software Semaphore, RW (8.6.1) */
#define IGB_FWSM                 0x05B54 /* Firmware Semaphore, RW */
#define IGB_SW_FW_SYNC           0x05B5C /* Software-Firmware Synchronization, RW (8.6.3) */

/* Bits of CTRL (8.2.1). */
#define IGB_CTRL_FD              (1u << 0) /* full duplex */
#define IGB_CTRL_GIO_MASTER_DISABLE (1u << 2) /* start no further DMA requests */
#define IGB_CTRL_LRST            (1u << 3) /* link reset */
#define IGB_CTRL_SLU             (1u << 6) /* set link up */
#define IGB_CTRL_SPEED_MASK      (3u << 8) /* forced speed */
#define IGB_CTRL_FRCSPD          (1u << 11) /* force speed */
#define IGB_CTRL_FRCDPLX         (1u << 12) /* force duplex */
#define IGB_CTRL_RST             (1u << 26) /* device reset, self-clearing */
#define IGB_CTRL_RFCE            (1u << 27) /* receive flow control enable */
#define IGB_CTRL_TFCE            (1u << 28) /* transmit flow control enable */
#define IGB_CTRL_DEV_RST         (1u << 29) /* the 82580 and later; reserved in the 82576 */
#define IGB_CTRL_VME             (1u << 30) /* VLAN mode enable: strip tags */
#define IGB_CTRL_PHY_RST         (1u << 31) /* PHY reset */

/* Bits of STATUS (8.2.2). */
#define IGB_STATUS_FD            (1u << 0) /* full duplex */
#define IGB_STATUS_LU            (1u << 1) /* link up */
#define IGB_STATUS_LAN_ID_SHIFT  2 /* number of the port in the device */
#define IGB_STATUS_TXOFF         (1u << 4) /* transmission is paused */
#define IGB_STATUS_SPEED_SHIFT   6
#define IGB_STATUS_SPEED_MASK    (3u << 6) /* 0: 10, 1: 100, 2 and 3: 1000 Mb/s */
#define IGB_STATUS_LAN_INIT_DONE (1u << 9)
#define IGB_STATUS_PHYRA         (1u << 10) /* PHY reset asserted */
#define IGB_STATUS_GIO_MASTER_EN (1u << 19) /* DMA requests may be pending */
#define IGB_STATUS_PF_RST_DONE   (1u << 21) /* reset of the physical function done */

/* Bits of EECD and EERD (8.4). */
#define IGB_EECD_SK              (1u << 0) /* serial clock */
#define IGB_EECD_CS              (1u << 1) /* chip select */
#define IGB_EECD_DI              (1u << 2) /* data input of the EEPROM */
#define IGB_EECD_DO              (1u << 3) /* data output of the EEPROM */
#define IGB_EECD_FWE_DIS         (1u << 4) /* flash: writes are disabled */
#define IGB_EECD_REQ             (1u << 6) /* request direct access */
#define IGB_EECD_GNT             (1u << 7) /* direct access granted */
#define IGB_EECD_PRES            (1u << 8) /* an EEPROM is present */
#define IGB_EECD_AUTO_RD         (1u << 9) /* automatic read after reset is done */
#define IGB_EECD_ADDR_16         (1u << 10) /* addresses of the EEPROM have 16 bits */
#define IGB_EECD_SIZE_SHIFT      11
#define IGB_EERD_START           (1u << 0)
#define IGB_EERD_DONE            (1u << 1)
#define IGB_EERD_ADDR_SHIFT      2
#define IGB_EERD_DATA_SHIFT      16

/* NVM words (6.2). The sum of words 0 to 0x3F is 0xBABA. */
#define IGB_NVM_MAC              0x00
#define IGB_NVM_COMPAT           0x03
#define IGB_NVM_PBA_1            0x08
#define IGB_NVM_INIT_CTRL_1      0x0A
#define IGB_NVM_SUBSYS_ID        0x0B
#define IGB_NVM_SUBSYS_VENDOR    0x0C
#define IGB_NVM_DEVICE_ID        0x0D
#define IGB_NVM_INIT_CTRL_2      0x0F
#define IGB_NVM_INIT_CTRL_3_LAN1 0x14
#define IGB_NVM_INIT_CTRL_3_LAN0 0x24
#define IGB_NVM_CHECKSUM         0x3F
#define IGB_NVM_CHECKSUM_SUM     0xBABA

/* Bits of CTRL_EXT (8.2.3). */
#define IGB_CTRL_EXT_NSICR       (1u << 0) /* every read of ICR clears it */
#define IGB_CTRL_EXT_EE_RST      (1u << 13) /* EEPROM reset: read it again */
#define IGB_CTRL_EXT_PFRSTD      (1u << 14) /* reset of the physical function done */
#define IGB_CTRL_EXT_LINK_MODE_MASK (3u << 22) /* 0: internal copper PHY */
#define IGB_CTRL_EXT_EIAME       (1u << 24) /* extended interrupt auto-mask enable */
#define IGB_CTRL_EXT_EXT_VLAN    (1u << 26) /* frames have an outer tag */
#define IGB_CTRL_EXT_IRCA        (1u << 27)
#define IGB_CTRL_EXT_DRV_LOAD    (1u << 28) /* a driver is loaded */
#define IGB_CTRL_EXT_PBA_CLR     (1u << 31)

/* Bits of MDIC (8.2.4), and PHY registers (8.25, IEEE 802.3 clause 22). */
#define IGB_MDIC_DATA_MASK       0xFFFFu
#define IGB_MDIC_REG_SHIFT       16
#define IGB_MDIC_PHY_SHIFT       21
#define IGB_MDIC_OP_WRITE        (1u << 26)
#define IGB_MDIC_OP_READ         (2u << 26)
#define IGB_MDIC_OP_MASK         (3u << 26)
#define IGB_MDIC_READY           (1u << 28) /* the operation is done */
#define IGB_MDIC_INT_EN          (1u << 29) /* interrupt when done */
#define IGB_MDIC_ERROR           (1u << 30) /* the operation failed */
#define IGB_PHY_ADDR             1
#define IGB_PHY_CTRL             0x00
#define IGB_PHY_STATUS           0x01
#define IGB_PHY_ID1              0x02
#define IGB_PHY_ID2              0x03
#define IGB_PHY_AUTONEG_ADV      0x04
#define IGB_PHY_LP_ABILITY       0x05
#define IGB_PHY_AUTONEG_EXP      0x06
#define IGB_PHY_1000T_CTRL       0x09
#define IGB_PHY_1000T_STATUS     0x0A
#define IGB_PHY_EXT_STATUS       0x0F
#define IGB_PHY_PORT_CONFIG      0x10 /* IGP01E1000_PHY_PORT_CONFIG */
#define IGB_PHY_PORT_STATUS      0x11
#define IGB_PHY_PORT_CTRL        0x12
#define IGB_PHY_LINK_HEALTH      0x13
#define IGB_PHY_PAGE_SELECT      0x1F
#define IGB_PHY_ID_82576         0x02A80391u /* (ID1 << 16) | ID2 */
#define IGB_PHY_CTRL_RESET       0x8000
#define IGB_PHY_CTRL_LOOPBACK    0x4000
#define IGB_PHY_CTRL_AUTONEG_EN  0x1000
#define IGB_PHY_CTRL_POWER_DOWN  0x0800
#define IGB_PHY_CTRL_RESTART_AN  0x0200
#define IGB_PHY_STATUS_LINK      0x0004
#define IGB_PHY_STATUS_AN_DONE   0x0020

/* Bits of ICR, ICS, IMS and IMC (8.8.9). */
#define IGB_ICR_TXDW             (1u << 0) /* transmit descriptor written back */
#define IGB_ICR_TXQE             (1u << 1) /* transmit queue empty */
#define IGB_ICR_LSC              (1u << 2) /* link status change */
#define IGB_ICR_RXDMT0           (1u << 4) /* receive descriptor minimum threshold */
#define IGB_ICR_RXO              (1u << 6) /* receiver overrun */
#define IGB_ICR_RXDW             (1u << 7) /* receive descriptor written back */
#define IGB_ICR_VMMB             (1u << 8) /* mailbox message of a virtual machine */
#define IGB_ICR_TIME_SYNC        (1u << 19) /* time sync event */
#define IGB_ICR_FER              (1u << 22) /* fatal error: a memory of the device was corrupted */
#define IGB_ICR_DOUTSYNC         (1u << 28) /* transmit DMA out of sync */
#define IGB_ICR_DRSTA            (1u << 30) /* device reset asserted */
#define IGB_ICR_INT_ASSERTED     (1u << 31) /* the device asserts its interrupt */

/* Bits of EICR, EICS, EIMS and EIMC without MSI-X: queue causes in bits 15:0, and these two. */
#define IGB_EICR_TCP_TIMER       (1u << 30)
#define IGB_EICR_OTHER           (1u << 31)

/* Bits of GPIE (8.8). */
#define IGB_GPIE_NSICR           (1u << 0) /* every read of ICR clears it */
#define IGB_GPIE_MULTIPLE_MSIX   (1u << 4) /* one vector per cause, by IVAR */
#define IGB_GPIE_EIAME           (1u << 30) /* extended interrupt auto-mask enable */
#define IGB_GPIE_PBA             (1u << 31) /* MSI-X pending bit array support */

/* Bits of EITR (8.8): interval in whole microseconds, bits 14:2. */
#define IGB_EITR_INTERVAL_SHIFT  2
#define IGB_EITR_INTERVAL_MASK   0x7FFCu
#define IGB_EITR_CNT_IGNR        (1u << 31) /* a write leaves the running counter alone */

/*
 * Bits of IVAR (8.8). Every queue has one byte for receive and one for transmit: the vector
 * number, and bit 7, "valid". Queues 0 to 7 use the low half of IVAR[q], queues 8 to 15 use the
 * high half of IVAR[q - 8]. In a half the receive byte comes first.
 */
#define IGB_IVAR_VALID           0x80u
#define IGB_IVAR_REG(q)          IGB_IVAR((q) & 7)
#define IGB_IVAR_SHIFT(q, is_tx) ((((q) & 8) ? 16 : 0) + ((is_tx) ? 8 : 0))
#define IGB_IVAR_MISC_OTHER_SHIFT 8

/* Bits of RCTL (8.10.1). */
#define IGB_RCTL_RXEN            (1u << 1) /* receiver enable */
#define IGB_RCTL_SBP             (1u << 2) /* store bad packets */
#define IGB_RCTL_UPE             (1u << 3) /* unicast promiscuous enable */
#define IGB_RCTL_MPE             (1u << 4) /* multicast promiscuous enable */
#define IGB_RCTL_LPE             (1u << 5) /* long packet enable */
#define IGB_RCTL_LBM_MASK        (3u << 6) /* loopback mode */
#define IGB_RCTL_LBM_MAC         (1u << 6)
#define IGB_RCTL_MO_SHIFT        12 /* multicast offset: bits of the address for MTA */
#define IGB_RCTL_BAM             (1u << 15) /* broadcast accept mode */
#define IGB_RCTL_BSIZE_SHIFT     16 /* 0: 2048, 1: 1024, 2: 512, 3: 256 bytes */
#define IGB_RCTL_BSIZE_MASK      (3u << IGB_RCTL_BSIZE_SHIFT)
#define IGB_RCTL_BSIZE_2048      (0u << IGB_RCTL_BSIZE_SHIFT)
#define IGB_RCTL_BSIZE_512       (2u << IGB_RCTL_BSIZE_SHIFT)
#define IGB_RCTL_BSIZE_256       (3u << IGB_RCTL_BSIZE_SHIFT)
#define IGB_RCTL_VFE             (1u << 18) /* VLAN filter enable */
#define IGB_RCTL_CFIEN           (1u << 19) /* canonical form indicator (CFI) enable */
#define IGB_RCTL_CFI             (1u << 20) /* value of CFI for acceptance */
#define IGB_RCTL_DPF             (1u << 22) /* discard pause frames */
#define IGB_RCTL_PMCF            (1u << 23) /* pass MAC control frames */
#define IGB_RCTL_SECRC           (1u << 26) /* strip the Ethernet CRC (FCS) */

/* Bits of RXCSUM (8.10.17). */
#define IGB_RXCSUM_PCSS_MASK     0xFFu     /* start of the fragment checksum */
#define IGB_RXCSUM_IPOFL         (1u << 8) /* IPv4 checksum offload */
#define IGB_RXCSUM_TUOFL         (1u << 9) /* TCP and UDP checksum offload */
#define IGB_RXCSUM_CRCOFL        (1u << 11) /* SCTP CRC offload */
#define IGB_RXCSUM_IPPCSE        (1u << 12) /* IP payload checksum enable */
#define IGB_RXCSUM_PCSD          (1u << 13) /* RSS hash instead of fragment checksum */

#define IGB_RLPML_MASK           0x3FFFu
#define IGB_RFCTL_IPV6_EX_DIS    (1u << 16) /* IPv6 extension headers are not parsed */

/* Bits of SRRCTL (8.10.2). */
#define IGB_SRRCTL_BSIZEPKT_MASK 0x7Fu /* units of 1 KB; 0: RCTL.BSIZE applies */
#define IGB_SRRCTL_BSIZEPKT_SHIFT 10
#define IGB_SRRCTL_BSIZEHDR_SHIFT 8    /* bits 13:8, units of 64 bytes */
#define IGB_SRRCTL_BSIZEHDR_MASK (0x3Fu << 8)
#define IGB_SRRCTL_RDMTS_SHIFT   20 /* minimum threshold, in units of 16 descriptors */
#define IGB_SRRCTL_RDMTS_MASK    0x1Fu
#define IGB_SRRCTL_DESCTYPE_MASK (7u << 25)
#define IGB_SRRCTL_DESCTYPE_LEGACY (0u << 25)
#define IGB_SRRCTL_DESCTYPE_ADV_ONE (1u << 25) /* advanced, one buffer */
#define IGB_SRRCTL_DESCTYPE_HDR_SPLIT (2u << 25)
#define IGB_SRRCTL_DESCTYPE_HDR_ALWAYS (5u << 25)
#define IGB_SRRCTL_TIMESTAMP     (1u << 30) /* time stamp in the buffer */
#define IGB_SRRCTL_DROP_EN       (1u << 31) /* drop frames if the queue has no descriptor */

/* Bits of RXDCTL and TXDCTL (8.10.8, 8.12.13). */
#define IGB_DCTL_PTHRESH_SHIFT   0 /* prefetch threshold */
#define IGB_DCTL_HTHRESH_SHIFT   8 /* host threshold */
#define IGB_DCTL_WTHRESH_SHIFT   16 /* write-back threshold */
#define IGB_DCTL_ENABLE          (1u << 25)
#define IGB_DCTL_SWFLSH          (1u << 26) /* software flush, self-clearing */

/* Bits of TCTL (8.12.1). */
#define IGB_TCTL_EN              (1u << 1) /* transmitter enable */
#define IGB_TCTL_PSP             (1u << 3) /* pad short packets */
#define IGB_TCTL_CT_SHIFT        4 /* collision threshold */
#define IGB_TCTL_CT_MASK         (0xFFu << 4)
#define IGB_TCTL_RTLC            (1u << 24) /* retransmit on late collision */

/* Bits of RAH (8.10.16). */
#define IGB_RAH_ADDR_MASK        0x8FFFFFFFu
#define IGB_RAH_AV               (1u << 31) /* address valid */

/* Bits of MRQC (8.10.18). */
#define IGB_MRQC_ENABLE_MASK     7u
#define IGB_MRQC_ENABLE_RSS      2u
#define IGB_MRQC_RSS_TCPIPV4     (1u << 16)
#define IGB_MRQC_RSS_IPV4        (1u << 17)
#define IGB_MRQC_RSS_TCPIPV6EX   (1u << 18)
#define IGB_MRQC_RSS_IPV6EX      (1u << 19)
#define IGB_MRQC_RSS_IPV6        (1u << 20)
#define IGB_MRQC_RSS_TCPIPV6     (1u << 21)
#define IGB_MRQC_RSS_UDPIPV4     (1u << 22)
#define IGB_MRQC_RSS_UDPIPV6     (1u << 23)
#define IGB_MRQC_RSS_UDPIPV6EX   (1u << 24)

/*
 * Bits of SWSM (8.6.1), and of SW_FW_SYNC (8.6.3). The low half of SW_FW_SYNC holds the bits of
 * software, the high half the same bits of firmware.
 */
#define IGB_SWSM_SMBI            (1u << 0) /* semaphore among software */
#define IGB_SWSM_SWESMBI         (1u << 1) /* semaphore between software and firmware */
#define IGB_SW_FW_EEP            (1u << 0) /* owner of the EEPROM */
#define IGB_SW_FW_PHY0           (1u << 1) /* owner of the PHY of port 0 */
#define IGB_SW_FW_PHY1           (1u << 2) /* owner of the PHY of port 1 */
#define IGB_SW_FW_MAC_CSR        (1u << 3) /* owner of the shared MAC registers */
#define IGB_SW_FW_FLASH          (1u << 4) /* owner of the flash */
#define IGB_SW_FW_FW_SHIFT       16

/* Bits of MANC (8.21.1). */
#define IGB_MANC_RCV_TCO_EN      (1u << 17) /* receive TCO packets enable */

/* Bits of EEMNGCTL (8.4.22). */
#define IGB_EEMNGCTL_CFG_DONE0   (1u << 18) /* configuration of port 0 done */
#define IGB_EEMNGCTL_CFG_DONE1   (1u << 19) /* configuration of port 1 done */

/*
 * Receive descriptors (7.1.5). The driver writes the read format, and the device overwrites it
 * with the write-back format. The write-back puts DD where the driver has left a 0 bit in
 * hdr_addr.
 *
 *              63                              32 31                               0
 *   read  qw0 |                             pkt_addr                                |
 *         qw1 |                             hdr_addr                             |0 |
 *   wb    qw0 |                rss              |    hdr_info     |    pkt_info     |
 *         qw1 |      vlan      |     length     |      error      |    status   |DD |
 */
union igb_rx_desc {
	struct {
		uint64_t pkt_addr;
		uint64_t hdr_addr; /* bit 0 must be 0: it becomes DD */
	} read;
	struct {
		uint16_t pkt_info;   /* RSS type 3:0, packet type 12:4 (SPH is in hdr_info) */
		uint16_t hdr_info;   /* header length 14:5, SPH 15 */
		uint32_t rss;        /* RSS hash; or fragment checksum 31:16, IP id 15:0 */
		uint32_t staterr;    /* extended status 19:0, error 31:20 */
		uint16_t length;     /* bytes of the frame that are in this buffer */
		uint16_t vlan;       /* tag control information of a stripped tag */
	} wb;
	struct {
		uint64_t addr;
		uint16_t length;
		uint16_t csum;
		uint8_t status;
		uint8_t errors;
		uint16_t vlan;
	} legacy;
	uint64_t qw[2];
};

#define IGB_RXD_RSSTYPE_MASK     0xFu
#define IGB_RXD_RSS_NONE         0
#define IGB_RXD_RSS_TCPIPV4      1
#define IGB_RXD_RSS_IPV4         2
#define IGB_RXD_RSS_TCPIPV6      3
#define IGB_RXD_RSS_IPV6EX       4
#define IGB_RXD_RSS_IPV6         5
#define IGB_RXD_RSS_TCPIPV6EX    6
#define IGB_RXD_RSS_UDPIPV4      7
#define IGB_RXD_RSS_UDPIPV6      8
#define IGB_RXD_RSS_UDPIPV6EX    9
#define IGB_RXD_PTYPE_SHIFT      4 /* in pkt_info */
#define IGB_RXD_PTYPE_IPV4       (1u << 0)
#define IGB_RXD_PTYPE_IPV4_EXT   (1u << 1)
#define IGB_RXD_PTYPE_IPV6       (1u << 2)
#define IGB_RXD_PTYPE_IPV6_EXT   (1u << 3)
#define IGB_RXD_PTYPE_TCP        (1u << 4)
#define IGB_RXD_PTYPE_UDP        (1u << 5)
#define IGB_RXD_PTYPE_SCTP       (1u << 6)
#define IGB_RXD_PTYPE_NFS        (1u << 7)
#define IGB_RXD_PTYPE_MASK       0xFFu

#define IGB_RXD_HDR_LEN_SHIFT    5 /* in hdr_info */
#define IGB_RXD_HDR_LEN_MASK     0x7FE0u
#define IGB_RXD_SPH              0x8000u

#define IGB_RXD_STAT_DD          (1u << 0) /* descriptor done */
#define IGB_RXD_STAT_EOP         (1u << 1) /* end of packet */
#define IGB_RXD_STAT_VP          (1u << 3) /* the packet had a VLAN tag, which is stripped */
#define IGB_RXD_STAT_UDPCS       (1u << 4) /* UDP checksum checked */
#define IGB_RXD_STAT_L4I         (1u << 5) /* TCP/UDP checksum checked (TCPCS) */
#define IGB_RXD_STAT_IPCS        (1u << 6) /* IPv4 checksum checked */
#define IGB_RXD_STAT_PIF         (1u << 7) /* passed an inexact filter */
#define IGB_RXD_STAT_VEXT        (1u << 9) /* outer VLAN tag found */
#define IGB_RXD_STAT_UDPV        (1u << 10) /* UDP checksum field not 0 */
#define IGB_RXD_STAT_LB          (1u << 18) /* looped back inside the device */
#define IGB_RXD_ERR_HBO          (1u << 23) /* the header is longer than its buffer */
#define IGB_RXD_ERR_L4E          (1u << 29) /* TCP or UDP checksum error */
#define IGB_RXD_ERR_IPE          (1u << 30) /* IPv4 checksum error */
#define IGB_RXD_ERR_RXE          (1u << 31) /* receive error in the MAC */
/* The error bits of the legacy format, which has one byte for them. */
#define IGB_RXD_LEG_ERR_TCPE     (1u << 5)
#define IGB_RXD_LEG_ERR_IPE      (1u << 6)
#define IGB_RXD_LEG_ERR_RXE      (1u << 7)

/*
 * Transmit descriptors (7.2.2): data, context, and the write-back of either.
 *
 *              63                              32 31                               0
 *   data  qw0 |                               addr                                  |
 *         qw1 |        olinfo (PAYLEN, ...)     |  cmd_type_len (DCMD, DTYP, ...)   |
 *   ctx   qw0 |              seqnum             |          vlan_macip_lens          |
 *         qw1 |          mss_l4len_idx          |            type_tucmd             |
 *   wb    qw0 |                              reserved                               |
 *         qw1 |              status         |DD |              nxtseq               |
 */
union igb_tx_desc {
	struct {
		uint64_t addr;
		uint32_t cmd_type_len; /* DTALEN 15:0, DTYP 23:20, DCMD 31:24 */
		uint32_t olinfo;       /* STA 3:0, IDX 6:4, POPTS 13:8, PAYLEN 31:14 */
	} data;
	struct {
		uint32_t vlan_macip_lens; /* IPLEN 8:0, MACLEN 15:9, VLAN 31:16 */
		uint32_t seqnum;
		uint32_t type_tucmd;      /* TUCMD 19:9, DTYP 23:20, DEXT 29 */
		uint32_t mss_l4len_idx;   /* IDX 6:4, L4LEN 15:8, MSS 31:16 */
	} ctx;
	struct {
		uint64_t rsvd;
		uint32_t nxtseq;
		uint32_t status;          /* DD in bit 0 */
	} wb;
	struct {
		uint64_t addr;
		uint16_t length;
		uint8_t cso;
		uint8_t cmd;
		uint8_t status;
		uint8_t css;
		uint16_t vlan;
	} legacy;
	uint64_t qw[2];
};

#define IGB_TXD_DTALEN_MASK      0xFFFFu
#define IGB_TXD_DTYP_MASK        (0xFu << 20)
#define IGB_TXD_DTYP_CTXT        (2u << 20) /* context descriptor */
#define IGB_TXD_DTYP_DATA        (3u << 20) /* data descriptor */
#define IGB_TXD_EOP              (1u << 24) /* end of packet */
#define IGB_TXD_IFCS             (1u << 25) /* insert FCS */
#define IGB_TXD_IC               (1u << 26) /* legacy: insert checksum */
#define IGB_TXD_RS               (1u << 27) /* report status: write DD back */
#define IGB_TXD_DEXT             (1u << 29) /* descriptor extension: advanced format */
#define IGB_TXD_VLE              (1u << 30) /* insert the VLAN tag */
#define IGB_TXD_TSE              (1u << 31) /* TCP segmentation enable */
#define IGB_TXD_STAT_DD          (1u << 0) /* descriptor done */
#define IGB_TXD_IDX_SHIFT        4 /* index of the context slot */
#define IGB_TXD_IDX_MASK         7u
#define IGB_TXD_CC               (1u << 7) /* check context: the index is valid */
#define IGB_TXD_POPTS_IXSM       (1u << 8) /* insert the IPv4 checksum */
#define IGB_TXD_POPTS_TXSM       (1u << 9) /* insert the TCP, UDP or SCTP checksum */
#define IGB_TXD_PAYLEN_SHIFT     14 /* bytes of the packet; of the TCP payload with TSE */
#define IGB_TXD_MACLEN_SHIFT     9
#define IGB_TXD_IPLEN_MASK       0x1FFu
#define IGB_TXD_VLAN_SHIFT       16
#define IGB_TXD_TUCMD_IPV4       (1u << 10)
#define IGB_TXD_TUCMD_L4T_UDP    (0u << 11)
#define IGB_TXD_TUCMD_L4T_TCP    (1u << 11)
#define IGB_TXD_TUCMD_L4T_SCTP   (2u << 11)
#define IGB_TXD_TUCMD_L4T_MASK   (3u << 11)
#define IGB_TXD_L4LEN_SHIFT      8
#define IGB_TXD_MSS_SHIFT        16
/* Bits of the command byte of a legacy descriptor (7.2.2.1). */
#define IGB_TXD_LEG_EOP          (1u << 0)
#define IGB_TXD_LEG_IFCS         (1u << 1)
#define IGB_TXD_LEG_IC           (1u << 2)
#define IGB_TXD_LEG_RS           (1u << 3)
#define IGB_TXD_LEG_DEXT         (1u << 5)
#define IGB_TXD_LEG_VLE          (1u << 6)

#define IGB_TX_CONTEXTS          2 /* contexts that a queue remembers (7.2.1.2) */

/*
 * A vendor-specific capability (PCI 3.0, ID 0x09) that no 82576 has. The software device reports
 * in it the speed of its wire, because STATUS only knows 10, 100 and 1000 Mb/s, and the number of
 * address bits that it drives, which the datasheet states for hardware. Offsets are from the
 * first byte of the capability.
 */
#define IGB_VNDR_CAP_ID          0x09
#define IGB_VNDR_CAP_LEN         20         /* the byte at +2 */
#define IGB_VNDR_CAP_SIG         0x04       /* 32 bits */
#define IGB_VNDR_CAP_SIGNATURE   0x79727467u /* "gtry", little-endian */
#define IGB_VNDR_CAP_SPEED       0x08       /* 32 bits: Mb/s; 0: unlimited */
#define IGB_VNDR_CAP_VERSION     0x0C       /* 32 bits: 2; 1: the capability ends here */
#define IGB_VNDR_CAP_LEN_1       16         /* length of version 1 */
#define IGB_VNDR_CAP_ADDR_BITS   0x10       /* 32 bits: address bits that it drives, 24..64 */
#define IGB_MIN_ADDR_BITS        24
/* clang-format on */

#endif /* IGB_REGS_H */
