package besedka

import "time"

// Inside is what those who keep text beside the voice need to know of somebody
// in a room, at one moment.
type Inside struct {
	Role         Role        // "" without a seat
	Refusal      error       // why they may not take part; nil if they may
	OnStageSince time.Time   // zero for who is not on stage
	People       int         // seats taken
	Stage        []AccountID // on stage and here
	Moderators   []AccountID // of them
	Chat         ChatSetting
	Questions    QuestionSetting
}

// Chat says who may write in a room's chat.
type Chat string

// The chat modes.
const (
	ChatEveryone  Chat = "everyone"
	ChatFollowers Chat = "followers" // who follows the host or a moderator here; and the stage
	ChatOff       Chat = "off"
)

// ChatSetting is how a room's chat is set.
type ChatSetting struct {
	Mode        Chat `json:"mode"`
	SlowSeconds int  `json:"slow_seconds" doc:"The least time between two messages of one person; moderators are excepted. 0 to 60."`
}

// QuestionSetting says whether questions may be asked in a room, and whether without a name.
type QuestionSetting struct {
	On        bool `json:"on"`
	Anonymous bool `json:"anonymous" doc:"Questions may be asked without a name."`
}
