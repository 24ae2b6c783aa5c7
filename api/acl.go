// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// POSIX ACL in an extended attribute: linux/posix_acl_xattr.h. Little-endian: a version, then entries of
// tag, permissions and id, sorted by tag and id.
const (
	aclAttribute = "system.posix_acl_access"
	aclVersion   = 2
	aclUserObj   = 0x01
	aclGroupObj  = 0x04
	aclGroup     = 0x08
	aclMask      = 0x10
	aclOther     = 0x20
	aclNoID      = 0xffffffff

	aclReadWrite = 6
	aclNothing   = 0
)

// allowGroup lets one more group read and write the file, besides owner and group. The mode goes on
// showing as 0660.
func allowGroup(path string, gid uint32) error {
	acl := binary.LittleEndian.AppendUint32(nil, aclVersion)
	acl = appendACLEntry(acl, aclUserObj, aclReadWrite, aclNoID)
	acl = appendACLEntry(acl, aclGroupObj, aclReadWrite, aclNoID)
	acl = appendACLEntry(acl, aclGroup, aclReadWrite, gid)
	acl = appendACLEntry(acl, aclMask, aclReadWrite, aclNoID)
	acl = appendACLEntry(acl, aclOther, aclNothing, aclNoID)
	return unix.Lsetxattr(path, aclAttribute, acl, 0)
}

func appendACLEntry(acl []byte, tag, permissions uint16, id uint32) []byte {
	acl = binary.LittleEndian.AppendUint16(acl, tag)
	acl = binary.LittleEndian.AppendUint16(acl, permissions)
	return binary.LittleEndian.AppendUint32(acl, id)
}
