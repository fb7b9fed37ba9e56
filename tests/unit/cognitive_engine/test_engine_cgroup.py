"""Memory of the own cgroup, read from real files laid out as the kernel does."""

import pytest

from cognitive_engine.adapters.cgroup import CgroupMemory

MIB = 1024 * 1024
NO_LIMIT_V1 = 9223372036854771712
OTHER_MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
28 27 0:30 / /odd rw - fuse.thing
"""


def lay(root, files):
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return CgroupMemory(root)


def version_2(
    own="0::/\n",
    mounted="30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n",
    folder="sys/fs/cgroup",
    used=300 * MIB,
    limit=str(512 * MIB),
    stat=f"anon 1\nfile 2\ninactive_file {44 * MIB}\nactive_file 7\n",
):
    return {
        "proc/self/cgroup": own,
        "proc/self/mountinfo": OTHER_MOUNTS + mounted,
        f"{folder}/memory.current": f"{used}\n",
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.stat": stat,
    }


def version_1(own, mounted, folder, limit=512 * MIB):
    return {
        "proc/self/cgroup": own,
        "proc/self/mountinfo": OTHER_MOUNTS + mounted,
        f"{folder}/memory.usage_in_bytes": f"{300 * MIB}\n",
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        # The figure of the group alone is not the one to subtract.
        f"{folder}/memory.stat": f"inactive_file 5\ntotal_inactive_file {44 * MIB}\n",
    }


V1_OWN = "9:name=systemd:/\n4:cpu,memory:/kubepods/pod1/abc\n1:cpuset:/elsewhere\n0::/\n"
V1_MOUNT = "35 31 0:32 {} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
V1_OTHERS = (
    "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)


def test_version_2_in_a_namespace_of_its_own(tmp_path):
    assert lay(tmp_path, version_2()).share() == 0.5


def test_version_2_below_the_mount(tmp_path):
    files = version_2(own="0::/system.slice/engine:1.service\n")
    files |= version_2(
        own="0::/system.slice/engine:1.service\n",
        folder="sys/fs/cgroup/system.slice/engine:1.service",
        used=172 * MIB,
    )
    assert lay(tmp_path, files).share() == 0.25


def test_a_mount_point_with_a_blank_in_its_name(tmp_path):
    mounted = "30 23 0:26 / /my\\040groups ro - cgroup2 cgroup rw\n"
    assert lay(tmp_path, version_2(mounted=mounted, folder="my groups")).share() == 0.5


def test_version_1_sees_its_own_part_of_the_tree_as_the_mount(tmp_path):
    mounted = V1_OTHERS + V1_MOUNT.format("/kubepods/pod1/abc")
    files = version_1(V1_OWN, mounted, "sys/fs/cgroup/memory")
    assert lay(tmp_path, files).share() == 0.5


def test_version_1_below_a_mount_of_the_whole_tree(tmp_path):
    files = version_1(
        V1_OWN, V1_OTHERS + V1_MOUNT.format("/"), "sys/fs/cgroup/memory/kubepods/pod1/abc"
    )
    # The node's figures, which must not be taken.
    files |= {
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000",
        "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0",
    }
    assert lay(tmp_path, files).share() == 0.5


def test_a_mount_of_somebody_elses_part_is_passed_over(tmp_path):
    mounted = V1_MOUNT.format("/kubepods/pod1/abcd") + (
        "36 31 0:32 /kubepods /host rw - cgroup cgroup rw,memory\n"
    )
    files = version_1(V1_OWN, mounted, "sys/fs/cgroup/memory")
    assert lay(tmp_path / "one", files).share() is None
    files = version_1(V1_OWN, mounted, "host/pod1/abc")
    assert lay(tmp_path / "two", files).share() == 0.5


@pytest.mark.parametrize(
    "files",
    [
        version_2(limit="max"),
        version_2(limit="0"),
        version_2(limit=str(1 << 60)),
        version_1(
            V1_OWN, V1_MOUNT.format("/kubepods"), "sys/fs/cgroup/memory/pod1/abc", NO_LIMIT_V1
        ),
    ],
)
def test_no_limit_gives_no_share(tmp_path, files):
    assert lay(tmp_path, files).share() is None


def test_the_limits_file_decides(tmp_path):
    memory = lay(tmp_path, version_2(limit="max"))
    assert memory.share() is None
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(str(1024 * MIB))
    assert memory.share() == 0.25
    (tmp_path / "sys/fs/cgroup/memory.current").write_text(str(1068 * MIB))
    assert memory.share() == 1.0


def test_cache_beyond_what_is_used_leaves_nothing(tmp_path):
    assert lay(tmp_path, version_2(used=MIB)).share() == 0.0


@pytest.mark.parametrize(
    "broken",
    [
        {"proc/self/cgroup": "no colons here\n"},
        version_2(own="0::/../outside\n", folder="sys/fs/outside"),
        {"proc/self/cgroup": "5:cpu:/\n"},
        {"proc/self/cgroup": ""},
        {"proc/self/mountinfo": OTHER_MOUNTS},
        {"proc/self/mountinfo": "30 23 0:26 / - cgroup2 cgroup rw\n"},
        {"sys/fs/cgroup/memory.current": ""},
        {"sys/fs/cgroup/memory.max": "plenty\n"},
        {"sys/fs/cgroup/memory.stat": "anon 5\n"},
        {"sys/fs/cgroup/memory.stat": "inactive_file\n"},
    ],
)
def test_what_makes_no_sense_gives_no_share(tmp_path, broken):
    assert lay(tmp_path, version_2() | broken).share() is None


@pytest.mark.parametrize("missing", sorted(version_2()))
def test_what_cannot_be_read_gives_no_share(tmp_path, missing):
    files = version_2()
    del files[missing]
    # A folder of that name is there, and no file: what opens for nobody, root included.
    (tmp_path / missing).mkdir(parents=True)
    assert lay(tmp_path, files).share() is None


def test_without_a_proc_there_is_no_share(tmp_path):
    assert CgroupMemory(tmp_path).share() is None


def test_here_and_now_it_answers():
    share = CgroupMemory().share()
    assert share is None or 0.0 <= share <= 1.5
