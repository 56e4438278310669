/** What dom0 does in a capture: scripts for its shell, and the domU's configuration for xl. */

/** The domU that is created. Memory in MiB. */
export interface DomuOptions {
  readonly memoryMib: number;
  readonly vcpus: number;
  /** 4 KiB pages of a domU that needs no kernel, in place of kernel and ramdisk */
  readonly pages?: number;
}

/**
 * A disk of the domU's: memory of dom0's (brd), served by Linux's own drivers (xen-blkback, xen-blkfront) without persistent
 * grants, so that dom0 maps and unmaps the grant of each page that is read. The domU reads all of it before it says that it is
 * up.
 */
interface Disk {
  readonly mib: number;
}

/** Modules of the disk's drivers: files below the kernel's drivers/, with their parameters. */
export const DISK_MODULES = {
  dom0: ["block/brd.ko.xz", "block/xen-blkback/xen-blkback.ko.xz"],
  domu: ["block/xen-blkfront.ko.xz"],
} as const;

export interface CaptureScenario {
  readonly name: string;
  readonly title: string;
  /** vCPUs of dom0, when the user does not say */
  readonly dom0Vcpus: number;
  /** pCPUs of the machine; default 2 */
  readonly pcpus?: number;
  /** bytes that Debian's busybox ramdisk is made larger by, in place of a root file system */
  readonly padding: number;
  /** programs of the toolstack's beside those that all scenarios have */
  readonly programs?: readonly string[];
  /** a disk of the domU's that dom0 serves */
  readonly disk?: Disk;
  /**
   * Lines for dom0's shell, run after the toolstack's daemons have started; `say` tells the host what happens. `wait`: those
   * that wait for the domU.
   */
  script(wait: string, domu: DomuOptions): string;
}

/** What dom0 prints before words that are meant for the host. */
export const SAYS = "shootdown:";
/** What dom0 prints before lines of the domU's console. */
export const DOMU_SAYS = "domU: ";
/** Tenths of a second of emulated time that dom0 waits for the domU; Debian's kernel needs less than 30. */
const PATIENCE = 100;
const DOMU_LOG = "/var/log/xen/console/guest-domu.log";

/** Seconds of emulated time, enough for an idle pCPU to scrub the pages of a domU of 128 MiB. */
const SCRUBBING = 5;

const CREATE = `say creating
xl -vvv create /domu/domu.cfg || fail "xl create failed"
say created
`;
const WAIT = `n=0
until grep -q "${SAYS} up" ${DOMU_LOG} 2>/dev/null; do
  n=$((n+1)); [ $n -lt ${PATIENCE} ] || fail "the domU did not start its init"
  usleep 100000
done
say running
`;
/**
 * The same for a domU that may not come up: its console is watched for a panic, and its last lines are shown. Debian's is not
 * watched, so that the captures that come with the package can be made again: a word more in the script, and the machine's
 * interrupts come at other instructions.
 */
const WATCH = `stuck() { busybox tail -n 8 ${DOMU_LOG} 2>/dev/null | busybox sed "s/^/${DOMU_SAYS}/"; fail "$*"; }
n=0
until grep -q "${SAYS} up" ${DOMU_LOG} 2>/dev/null; do
  ! grep -q "Kernel panic" ${DOMU_LOG} 2>/dev/null || stuck "the domU's kernel panics"
  n=$((n+1)); [ $n -lt ${PATIENCE} ] || stuck "the domU did not start its init, or that did not print '${SAYS} up'"
  usleep 100000
done
say running
`;
/** The id of the only domU. */
const DOMU_ID = 1;
/** Tenths of a second of emulated time for which a balloon that has come to rest does nothing. */
const STILL = 8;
/**
 * The target of the domU's balloon, as `xl mem-set` writes it for the domU's driver (xl itself wants more of a configuration
 * than there is), and the wait until Xen's figure of what the domain has stands still: the driver counts in its own way what
 * its kernel never had, and stops some MiB away from the target.
 */
const memSet = (mib: number): string => `say "the balloon's target is ${mib} MiB"
xenstore write /local/domain/${DOMU_ID}/memory/target ${mib * 1024} || fail "the balloon's target cannot be written"
before=; same=0; n=0
until [ $same -ge ${STILL} ]; do
  usleep 100000
  set -- $(xl list domu 2>/dev/null | grep "^domu ")
  if [ "$3" = "$before" ]; then same=$((same+1)); else same=0; fi
  before=$3
  n=$((n+1)); [ $n -lt ${PATIENCE} ] || fail "the domU's balloon does not come to rest"
done
say "the domU has $before MiB"
`;
/** MiB that the domU gives up and takes back. */
const BALLOONED = 16;
const BUSY = `for i in 1 2; do ( n=0; while [ $n -lt 2000 ]; do n=$((n+1)); [ $((n%100)) -ne 0 ] || usleep 1000; done ) & done
wait
`;
const DESTROY = `say destroying
xl destroy domu || fail "xl destroy failed"
say destroyed
`;

/** What can be captured. */
export const CAPTURE_SCENARIOS: readonly CaptureScenario[] = [
  {
    name: "create-domu",
    title: "dom0 with one vCPU creates a domU, lets it boot to its init, and destroys it",
    dom0Vcpus: 1,
    padding: 0,
    script: (wait) => CREATE + wait + DESTROY,
  },
  {
    name: "create-ramdisk",
    title: "the same with 24 MiB more in the domU's ramdisk",
    dom0Vcpus: 1,
    padding: 24 * 2 ** 20,
    script: (wait) => CREATE + wait + DESTROY,
  },
  {
    name: "switch",
    title: "the same with a dom0 of two vCPUs, both busy while the domU runs: its vCPUs take turns on the pCPUs",
    dom0Vcpus: 2,
    padding: 0,
    script: (wait) => CREATE + wait + BUSY + DESTROY,
  },
  {
    name: "shared-pcpu",
    title: "the same on a machine of one pCPU, which dom0's two vCPUs and the domU share",
    dom0Vcpus: 2,
    pcpus: 1,
    padding: 0,
    script: (wait) => CREATE + wait + BUSY + DESTROY,
  },
  {
    name: "balloon",
    title: `the domU's balloon takes ${BALLOONED} MiB out of it and puts them back, as for xl mem-set`,
    programs: ["xenstore"],
    dom0Vcpus: 1,
    padding: 0,
    script: (wait, { memoryMib }) => CREATE + wait + memSet(memoryMib - BALLOONED) + memSet(memoryMib) + DESTROY,
  },
  {
    name: "disk",
    title: "the domU reads 4 MiB of a disk that dom0 serves: dom0 maps and unmaps its grants, page by page",
    dom0Vcpus: 1,
    padding: 0,
    programs: ["xenstore"],
    disk: { mib: 4 },
    script: (wait) => CREATE + wait + DESTROY,
  },
  {
    name: "destroy",
    title: "dom0 creates a domU that never runs, destroys it, and waits until Xen has scrubbed its pages",
    dom0Vcpus: 1,
    padding: 0,
    script: () => `${CREATE.replace("create /", "create -p /")}${DESTROY}sleep ${SCRUBBING}\n`,
  },
];

/** Points of dom0's script that a counting plugin is told of: the creation begins, and has ended. */
const CREATE_MARKS = [16, 17] as const;
const [BEGINS, ENDS] = CREATE_MARKS;

/**
 * The scenario on a host that is counted: dom0 marks what creates the domU. Of a domU that needs no kernel only its creation is
 * run, by an xl that says one line, for what it prints costs the host too.
 */
export function markedScenario(scenario: CaptureScenario, pages: number | undefined): CaptureScenario {
  const marked = (script: string): string =>
    script
      .replace("say creating\n", `say creating\nmark ${BEGINS}\n`)
      .replace("say created\n", `mark ${ENDS}\nsay created\n`);
  if (pages === undefined) return { ...scenario, script: (...how) => marked(scenario.script(...how)) };
  // What xl itself is made of is in the page cache, and in the shadow, before it is counted; and it
  // misses no file, for each letter of what it says takes the host several exits.
  const quiet = `busybox mkdir -p /etc/xen; : >/etc/xen/xl.conf
xl list
say creating
xl create /domu/domu.cfg || fail "xl create failed"
say created
`;
  return {
    name: "domu-pages",
    title: `dom0 creates a domU of ${pages} pages`,
    dom0Vcpus: scenario.dom0Vcpus,
    padding: 0,
    script: () => marked(quiet),
  };
}

/** The scenario of that name, or undefined. */
export const captureScenario = (name: string): CaptureScenario | undefined =>
  CAPTURE_SCENARIOS.find((scenario) => scenario.name === name);

/** Files of kernel modules in modules/, in their order: the user's, and Debian's. */
interface Modules {
  readonly own: readonly string[];
  readonly debian: readonly string[];
}

/** dom0's init: mounts, drivers, the toolstack's daemons, the scenario, power off. `watch`: the domU may not come up. */
export function dom0Init(
  scenario: CaptureScenario,
  domu: DomuOptions,
  { own, debian }: Modules,
  watch: boolean,
): string {
  return `#!/bin/busybox sh
export PATH=/usr/lib/xen/bin:/bin LD_LIBRARY_PATH=/usr/lib
say() { echo "${SAYS} $*"; }
fail() { say "failed: $*"; poweroff -f; }
mount -t devtmpfs devtmpfs /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mkdir -p /run/xen /run/xenstored /run/lock
say "dom0 has started"
${own.map((name) => `insmod /modules/${name} || fail "dom0's kernel does not take the module ${name}"\n`).join("")}for module in ${debian.join(" ")}; do insmod /modules/$module 2>/dev/null; done
mount -t xenfs xenfs /proc/xen
[ -e /dev/xen/privcmd ] || fail "dom0's kernel has no /dev/xen/privcmd: it needs the drivers xen-privcmd, xen-evtchn, xen-gntdev and xenfs built in"
xenstored --pid-file /run/xenstored.pid || fail "xenstored does not start"
xen-init-dom0 || fail "xen-init-dom0 failed: is the toolstack of another version than Xen?"
xenconsoled --log=guest --log-dir=/var/log/xen/console --pid-file=/run/xenconsoled.pid || fail "xenconsoled does not start"
say "the toolstack is up"
${scenario.disk === undefined ? "" : diskDrivers(scenario.disk)}${scenario.script(watch ? WATCH : WAIT, domu)}say finished
poweroff -f
`;
}

/** The disk that dom0 serves: a device, and the driver that serves it. */
const diskDrivers = ({ mib }: Disk): string => `insmod /modules/brd.ko.xz rd_nr=1 rd_size=${mib * 1024} || fail "no brd"
insmod /modules/xen-blkback.ko.xz feature_persistent=0 || fail "no xen-blkback"
`;

/** What libxl runs when a disk comes and goes (/etc/xen/scripts/block): names the device to the driver. brd's major is 1. */
export const DISK_SCRIPT = `#!/bin/busybox sh
[ "$1" = add ] || exit 0
xenstore write "$XENBUS_PATH/physical-device" 1:0 "$XENBUS_PATH/hotplug-status" connected
`;

/** The domU's reading of its disk, all of it once. */
const READ_DISK = `/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox insmod /modules/xen-blkfront.ko.xz
until [ -b /dev/xvda ]; do /bin/busybox usleep 10000; done
/bin/busybox dd if=/dev/xvda of=/dev/null bs=64k
`;

/** The domU's init: reads its disk if it has one, says that it is up on its console and sleeps, so that the rest of its life is quiet. */
export const domuInit = ({ disk }: CaptureScenario): string => `#!/bin/busybox sh
${disk === undefined ? "" : READ_DISK}/bin/busybox echo "${SAYS} up"
while :; do /bin/busybox sleep 1000; done
`;

/** The domU's configuration in xl's form (xl.cfg(5)). */
export function domuConfig(domu: DomuOptions, { disk }: CaptureScenario): string {
  return `name = "domu"
kernel = "/domu/kernel"
${domu.pages === undefined ? 'ramdisk = "/domu/ramdisk"\n' : ""}memory = ${domu.memoryMib}
vcpus = ${domu.vcpus}
${domu.pages === undefined ? 'extra = "console=hvc0 rdinit=/init quiet"\n' : ""}on_poweroff = "preserve"
on_crash = "preserve"
${disk === undefined ? "" : 'disk = ["format=raw, vdev=xvda, access=ro, backendtype=phy, target=/dev/ram0"]\n'}`;
}
