# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The time that the kernel needs for a mapping: the cost of strict mode without a page table.

Under an emulated CPU the figure does not apply to a real one.
"""

from scenario import BUILD, PORTS, check, scenario

SAMPLES = 5


@scenario('vfio-cost')
def vfio_cost(run):
    """VFIO_IOMMU_MAP_DMA and UNMAP_DMA of a page: ns per pair"""
    vm = run.boot()
    vm.bind('vfio-pci', PORTS[0])
    group = vm.run('basename "$(readlink /sys/bus/pci/devices/%s/iommu_group)"' % PORTS[0]).strip()
    p = vm.start(BUILD + '/bench/bench-vfio', group, str(SAMPLES))
    p.wait(120)
    samples = [float(line) for line in p.text().split()]
    check(len(samples) == SAMPLES and min(samples) > 0, 'it printed: %s', p.text())
    run.facts['vfio_map_unmap_ns'] = samples
    run.facts['accelerator'] = vm.accelerator
