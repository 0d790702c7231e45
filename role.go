package besedka

// Role is what a participant may do in a room.
type Role string

// The roles, from the most to the least powerful. A room has exactly one host.
// Host, moderators and speakers are on stage; listeners are the audience.
const (
	RoleHost      Role = "host"
	RoleModerator Role = "moderator"
	RoleSpeaker   Role = "speaker"
	RoleListener  Role = "listener"
)

// OnStage says whether the role may be heard.
func (r Role) OnStage() bool {
	return r == RoleHost || r == RoleModerator || r == RoleSpeaker
}

// Moderates says whether the role may govern the stage.
func (r Role) Moderates() bool { return r == RoleHost || r == RoleModerator }
