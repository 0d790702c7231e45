package web

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"besedka"
	"besedka/account"
	"besedka/ask"
	"besedka/chat"
	"besedka/room"
)

const (
	apiBase        = "/api/v1"
	noRoutePattern = "/api/" // what the API does not have
	healthPattern  = "GET /healthz"
	clientPattern  = "/" // what is not the API's
)

// routes is the table of contents of the API. The second column says who may ask.
func (s *Server) routes() {
	s.api = humago.New(router{s}, apiConfig())

	on(s, byStrangers, "GET /instance", 200, "instance", "What this instance is", s.instance)

	s.peopleRoutes()

	on(s, byMembers, "GET /hallway", 200, "hallway", "The rooms that are open to me now", s.hallway)

	s.roomRoutes()
	s.mediaRoutes()
}

// roomRoutes are those of a room: how people come and go, and what they may do there.
func (s *Server) roomRoutes() {
	on(s, byMembers, "POST /rooms", 201, "open-room", "Open a room as its host", s.openRoom)
	on(s, byGuests, "GET /rooms/{room}", 200, "room", "A room as I may see it", s.viewRoom)
	on(s, byMembers, "GET /rooms/{room}/people", 200, "room-people", "Everybody in a room, or whom a search finds", s.roomPeople)
	on(s, byMembers, "PATCH /rooms/{room}", 200, "change-room", "Change title or hand setting", s.changeRoom)
	on(s, byMembers, "DELETE /rooms/{room}", 204, "end-room", "End the room", s.endRoom)
	on(s, byGuests, "PUT /rooms/{room}/seat", 200, "enter", "Enter", s.enter)
	on(s, byGuests, "DELETE /rooms/{room}/seat", 204, "leave", "Leave quietly", s.leave)
	on(s, byMembers, "PUT /rooms/{room}/mute", 204, "mute", "Mute myself", s.mute)
	on(s, byMembers, "DELETE /rooms/{room}/mute", 204, "unmute", "Unmute myself", s.unmute)
	on(s, byMembers, "PUT /rooms/{room}/hand", 204, "raise-hand", "Raise my hand", s.raiseHand)
	on(s, byMembers, "DELETE /rooms/{room}/hand", 204, "lower-hand", "Lower my hand", s.lowerHand)
	on(s, byMembers, "DELETE /rooms/{room}/hands", 204, "lower-all-hands", "Lower all hands", s.lowerAllHands)
	on(s, byMembers, "DELETE /rooms/{room}/hands/{account}", 204, "lower-hand-of", "Lower somebody's hand", s.lowerHandOf)
	on(s, byMembers, "POST /rooms/{room}/stage-invitations", 201, "invite-to-stage", "Invite somebody to the stage", s.inviteToStage)
	on(s, byMembers, "POST /rooms/{room}/stage-invitations/accept", 200, "accept-stage", "Go on stage", s.acceptStage)
	on(s, byMembers, "POST /rooms/{room}/stage-invitations/decline", 204, "decline-stage", "Stay in the audience", s.declineStage)
	on(s, byMembers, "PUT /rooms/{room}/participants/{account}/role", 200, "set-role", "Change somebody's role", s.setRole)
	on(s, byMembers, "PUT /rooms/{room}/participants/{account}/silence", 204, "silence", "Silence a speaker until it is lifted", s.silence)
	on(s, byMembers, "DELETE /rooms/{room}/participants/{account}/silence", 204, "lift-silence", "Lift a silence", s.liftSilence)
	on(s, byMembers, "PUT /rooms/{room}/participants/{account}/mute", 204, "mute-other", "Mute a speaker, who may unmute", s.muteOther)
	on(s, byMembers, "POST /rooms/{room}/mute-all", 204, "mute-all", "Mute everybody else on stage", s.muteAll)
	on(s, byMembers, "DELETE /rooms/{room}/participants/{account}", 204, "remove", "Remove somebody, who may not return", s.remove)
	on(s, byMembers, "DELETE /rooms/{room}/removals/{account}", 204, "undo-removal", "Undo a removal within 30 seconds", s.undoRemoval)
	on(s, byMembers, "POST /rooms/{room}/visibility", 202, "widen", "Open the room to more people in five seconds", s.widen)
	on(s, byMembers, "DELETE /rooms/{room}/visibility", 204, "keep-visibility", "Call off the opening to more people", s.keepVisibility)
	on(s, byMembers, "POST /rooms/{room}/attribution", 200, "ask-attribution", "Ask the stage to agree to another attribution", s.askAttribution)
	on(s, byMembers, "DELETE /rooms/{room}/attribution", 204, "withdraw-attribution", "Take the question back", s.withdrawAttribution)
	on(s, byMembers, "POST /rooms/{room}/attribution/agree", 200, "agree-attribution", "Agree to the attribution asked about", s.agreeAttribution)
	on(s, byMembers, "POST /rooms/{room}/attribution/refuse", 204, "refuse-attribution", "Refuse it, for everybody", s.refuseAttribution)
	on(s, byMembers, "POST /rooms/{room}/hands/next", 200, "bring-up-next", "Bring up the first of the queue", s.bringUpNext)
	on(s, byMembers, "GET /rooms/{room}/suggested-speakers", 200, "suggested-speakers", "Whom in the audience one might bring up", s.suggestedSpeakers)
	on(s, byMembers, "PUT /rooms/{room}/timer", 204, "set-timer", "Begin somebody's turn to speak", s.setTimer)
	on(s, byMembers, "DELETE /rooms/{room}/timer", 204, "clear-timer", "End the turn to speak", s.clearTimer)
	on(s, byMembers, "GET /rooms/{room}/log", 200, "room-log", "What moderators did in the room, newest first", s.roomLog)
	on(s, byMembers, "POST /rooms/{room}/invites", 204, "pick", "Ask somebody into the room", s.pick)
	s.waysOfRooms()
	on(s, byMembers, "PUT /rooms/{room}/host", 200, "hand-over", "Make somebody on stage the host", s.handOver)
	on(s, byMembers, "POST /rooms/{room}/heir/accept", 200, "accept-heir", "Become host", s.acceptHeir)
	on(s, byMembers, "POST /rooms/{room}/heir/decline", 204, "decline-heir", "Do not become host", s.declineHeir)
	on(s, byStrangers, "POST /rooms/{room}/guests", 201, "guest", "A token to listen without an account", s.guest)
}

// mediaRoutes are those of sound and events, and what is not the API's.
func (s *Server) mediaRoutes() {

	on(s, byMembers, "POST /rooms/{room}/diagnostics", 204, "report-silence", "Tell the operator that I do not hear somebody", s.reportSilence)
	on(s, byGuests, "GET /rooms/{room}/ice-servers", 200, "ice-servers", "The relay for networks that let no media through", s.iceServers)

	s.textRoutes()

	on(s, byGuests, "POST /connection-tests", 201, "test-connection", "Begin a test of the ways to this server", s.openTest)
	s.plain(byGuests, testWHEPPattern, s.testWHEP, opTestWHEP)

	s.plain(byGuests, whepPattern, s.whep, opWHEP)
	s.plain(byGuests, whipPattern, s.whip, opWHIP)
	s.plain(byGuests, hangUpPattern, s.hangUp, opHangUp)
	s.plain(byGuests, tricklePattern, s.trickle, opTrickle)
	s.plain(byStrangers, whepOptions, s.mediaOptions, opMediaOptions("whep"))
	s.plain(byStrangers, whipOptions, s.mediaOptions, opMediaOptions("whip"))
	s.plain(byStrangers, sessionOptions, s.mediaOptions, opMediaOptions("session"))
	on(s, byGuests, "POST /rooms/{room}/stream", 201, "open-stream", "Hear the room as a plain audio stream, some seconds late; enters it if need be", s.openStream)
	s.plain(byStrangers, streamPattern, s.stream, opStream)
	s.plain(byGuests, eventsPattern, s.events, opEvents)
	s.plain(byStrangers, "GET "+apiBase+"/openapi.json", s.openAPIDocument, opOpenAPI)

	s.mux.HandleFunc(healthPattern, s.health)
	s.mux.HandleFunc(noRoutePattern, s.noRoute)
	s.mux.HandleFunc(clientPattern, s.clientPage)
}

// peopleRoutes are those about accounts, and who follows whom.
func (s *Server) peopleRoutes() {
	on(s, byGuests, "GET /me", 200, "me", "Who I am", s.me)
	on(s, byMembers, "PATCH /me", 200, "change-me", "Change my name, bio or links", s.changeMe)
	s.plain(byMembers, setPhotoPattern, s.setPhoto, opSetPhoto)
	on(s, byMembers, "DELETE /me/photo", 204, "remove-photo", "Have no photo", s.removePhoto)
	s.plain(byStrangers, photoPattern, s.photo, opPhoto)
	on(s, byMembers, "PUT /me/password", 204, "change-password", "Change my passphrase", s.changePassword)
	on(s, byStrangers, "POST /accounts", 201, "sign-up", "Sign up with an invitation", s.signUp)
	on(s, byStrangers, "POST /sessions", 201, "sign-in", "Sign in", s.signIn)
	on(s, byMembers, "GET /sessions", 200, "list-sessions", "Where I am signed in", s.sessions)
	on(s, byGuests, "DELETE /sessions/current", 204, "sign-out", "Sign out", s.signOut)
	on(s, byMembers, "DELETE /sessions/{session}", 204, "revoke-session", "End one of my sessions or tokens", s.revokeSession)

	on(s, byMembers, "POST /invitations", 201, "invite", "Invite somebody to the instance", s.invite)
	on(s, byMembers, "GET /invitations", 200, "list-invitations", "My invitations", s.invitations)
	on(s, byMembers, "DELETE /invitations/{invitation}", 204, "revoke-invitation", "Take back a pending invitation", s.revokeInvitation)
	on(s, byStrangers, "POST /invitations/preview", 200, "preview-invitation", "Who invites me", s.previewInvitation)

	on(s, byMembers, "GET /accounts", 200, "find-account", "The account with exactly this username", s.findAccount)
	on(s, byMembers, "GET /accounts/{account}", 200, "account", "A profile", s.profile)
	on(s, byMembers, "PUT /accounts/{account}/follow", 204, "follow", "Follow", s.follow)
	on(s, byMembers, "DELETE /accounts/{account}/follow", 204, "unfollow", "Stop following", s.unfollow)
	on(s, byMembers, "PUT /accounts/{account}/bell", 204, "set-bell", "How much to tell me of somebody I follow", s.setBell)
	on(s, byMembers, "GET /accounts/{account}/followers", 200, "followers", "Who follows somebody, the latest first", s.followers)
	on(s, byMembers, "GET /accounts/{account}/following", 200, "following", "Whom somebody follows, the latest first", s.following)
	on(s, byMembers, "GET /me/following", 200, "own-following", "Whom I follow, to pick from: the latest 500", s.ownFollowing)
	on(s, byMembers, "PUT /accounts/{account}/block", 204, "block", "Block; nobody is told", s.block)
	on(s, byMembers, "DELETE /accounts/{account}/block", 204, "unblock", "Block no more", s.unblock)
	on(s, byMembers, "GET /me/blocks", 200, "blocks", "Whom I block", s.blocks)
}

// textRoutes is what there is beside the voice.
func (s *Server) textRoutes() {
	on(s, byMembers, "PUT /rooms/{room}/pin", 200, "pin", "Put a link at the top of the room", s.pin)
	on(s, byMembers, "DELETE /rooms/{room}/pin", 204, "unpin", "Take the link away", s.unpin)
	on(s, byMembers, "GET /rooms/{room}/pins", 200, "pins", "What is and was pinned", s.pins)
	on(s, byMembers, "PUT /rooms/{room}/agenda", 200, "set-agenda", "Set the agenda", s.setAgenda)
	on(s, byMembers, "POST /rooms/{room}/agenda/now", 200, "move-agenda", "Mark what is being talked about", s.moveAgenda)
	on(s, byMembers, "PATCH /rooms/{room}/chat", 200, "set-chat", "Who may write, and how often", s.setChat)
	on(s, byMembers, "PATCH /rooms/{room}/questions-setting", 200, "set-questions", "Whether questions may be asked, and without a name", s.setQuestions)

	on(s, byMembers, "GET /rooms/{room}/messages", 200, "messages", "The chat, newest first; after the end one's own messages", s.messages)
	on(s, byMembers, "POST /rooms/{room}/messages", 201, "post-message", "Write into the chat", s.post)
	on(s, byMembers, "DELETE /rooms/{room}/messages/{message}", 204, "delete-message", "Delete a message of one's own, or as a moderator any", s.deleteMessage)
	on(s, byMembers, "PUT /rooms/{room}/participants/{account}/chat-mute", 204, "mute-in-chat", "Keep somebody from writing for ten minutes", s.muteInChat)
	on(s, byMembers, "DELETE /rooms/{room}/participants/{account}/chat-mute", 204, "unmute-in-chat", "Let them write again", s.unmuteInChat)
	on(s, byMembers, "GET /rooms/{room}/backchannel", 200, "backchannel", "What was written to the stage", s.backchannel)
	on(s, byMembers, "POST /rooms/{room}/backchannel", 201, "post-backchannel", "Write to the stage", s.postBackchannel)

	on(s, byMembers, "GET /rooms/{room}/questions", 200, "questions", "The questions, by their votes", s.questions)
	on(s, byMembers, "POST /rooms/{room}/questions", 201, "ask", "Ask a question", s.askQuestion)
	on(s, byMembers, "DELETE /rooms/{room}/questions/{question}", 204, "delete-question", "Delete a question of one's own, or as a moderator any", s.deleteQuestion)
	on(s, byMembers, "PUT /rooms/{room}/questions/{question}/vote", 204, "vote-for", "Give my vote to a question", s.voteFor)
	on(s, byMembers, "DELETE /rooms/{room}/questions/{question}/vote", 204, "unvote", "Take it back", s.unvote)
	on(s, byMembers, "POST /rooms/{room}/questions/{question}/answering", 200, "answering", "Answer a question, and ask its author up", s.answering)
	on(s, byMembers, "POST /rooms/{room}/questions/{question}/answered", 204, "answered", "Mark a question as answered", s.answered)
	on(s, byMembers, "POST /rooms/{room}/questions/{question}/come-up", 200, "come-up", "Come on stage for my question that has no name and is being answered", s.comeUp)
	on(s, byMembers, "GET /rooms/{room}/polls", 200, "polls", "The polls, the latest first", s.polls)
	on(s, byMembers, "POST /rooms/{room}/polls", 201, "open-poll", "Begin a poll", s.openPoll)
	on(s, byMembers, "PUT /rooms/{room}/polls/{poll}/vote", 204, "vote-poll", "Choose an answer", s.votePoll)
	on(s, byMembers, "POST /rooms/{room}/polls/{poll}/close", 200, "close-poll", "End a poll", s.closePoll)
}

// waysOfRooms are the routes by which people come into a room and show themselves there.
func (s *Server) waysOfRooms() {
	on(s, byMembers, "GET /rooms/{room}/invitable", 200, "invitable", "Whom I may ask into the room", s.invitable)
	on(s, byMembers, "POST /rooms/{room}/reactions", 204, "react", "Show a reaction", s.react)
	on(s, byMembers, "PUT /rooms/{room}/hidden", 204, "hide-room", "Hide the room from my hallway until it ends", s.hideRoom)
	on(s, byMembers, "DELETE /rooms/{room}/hidden", 204, "show-room", "Show it again", s.showRoom)
	on(s, byMembers, "PUT /rooms/{room}/share", 204, "share-room", "Show the room to my followers in their hallways, with a comment", s.shareRoom)
	on(s, byMembers, "DELETE /rooms/{room}/share", 204, "unshare-room", "Take that back", s.unshareRoom)
	on(s, byMembers, "POST /rooms/{room}/speaker-links", 201, "make-speaker-link", "A link that puts its bearer on stage, once", s.makeSpeakerLink)
	on(s, byMembers, "GET /rooms/{room}/speaker-links", 200, "speaker-links", "The speaker links of the room", s.speakerLinks)
	on(s, byMembers, "DELETE /rooms/{room}/speaker-links/{link}", 204, "withdraw-speaker-link", "Take a speaker link back", s.withdrawSpeakerLink)
	on(s, byMembers, "POST /rooms/{room}/reset", 204, "reset-room", "Tell newcomers where they are", s.resetRoom)
	s.plain(byStrangers, cardPattern, s.card, opCard)
	on(s, byMembers, "POST /rooms/{room}/faces", 200, "faces", "Fetch the faces anew", s.faces)
}

// on puts one JSON operation into the table.
func on[I, O any](s *Server, who access, route string, status int, id, summary string, h func(context.Context, *I) (*O, error)) {
	method, path, _ := strings.Cut(route, " ")
	op := huma.Operation{
		OperationID: id, Method: method, Path: apiBase + path, Summary: summary,
		DefaultStatus: status, MaxBodyBytes: maxBody + 1, Tags: tagsOf(path), Security: securityOf(who),
	}
	s.access[method+" "+apiBase+path] = who
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
}

// plain puts an operation into the table that does not speak JSON.
func (s *Server) plain(who access, pattern string, h http.HandlerFunc, describe func() *huma.Operation) {
	s.access[pattern] = who
	router{s}.HandleFunc(pattern, h)
	op := describe()
	method, path, _ := strings.Cut(pattern, " ")
	op.Method, op.Path, op.Tags, op.Security = method, path, tagsOf(strings.TrimPrefix(path, apiBase)), securityOf(who)
	op.Parameters = append(pathParameters(path), op.Parameters...)
	op.Responses["default"] = s.problemResponse()
	s.api.OpenAPI().AddOperation(op)
}

// router is the mux as huma sees it. No handler meets an id that cannot be one:
// such a thing does not exist.
type router struct{ *Server }

// HandleFunc registers a handler.
func (t router) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	ids := pathNames(pattern)
	if largeAnswers[pattern] {
		h = compressed(h)
	}
	t.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range ids {
			if !validID(r.PathValue(name)) {
				t.fail(w, r, besedka.ErrNotFound)
				return
			}
		}
		h(w, r)
	})
}

// ServeHTTP is there because huma wants it; requests come by way of the gate.
func (t router) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.mux.ServeHTTP(w, r) }

// pathNames are the names between braces of a pattern.
func pathNames(pattern string) []string {
	var names []string
	for rest := pattern; ; {
		_, after, found := strings.Cut(rest, "{")
		if !found {
			return names
		}
		name, tail, _ := strings.Cut(after, "}")
		names, rest = append(names, name), tail
	}
}

const maxID = 64 // bytes

// validID says whether text has the form of an id.
func validID(text string) bool {
	if text == "" || len(text) > maxID {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// strictJSON refuses text that is not UTF-8, which the library would bend
// silently (RFC 8259 section 8.1).
var strictJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if !utf8.Valid(data) {
			return errMalformed
		}
		return json.Unmarshal(data, v)
	},
}

// apiConfig sets huma up: JSON only, unknown fields ignored so that a newer client
// can talk to an older server, no documents served by itself.
func apiConfig() huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Besedka", Version: "1",
				Description: "The HTTP API of a Besedka instance. Errors are problem details (RFC 9457) with a stable `code`. What one may not know of is 404.",
				License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Components: &huma.Components{
				Schemas: newSchemas(),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer": {Type: "http", Scheme: "bearer", Description: "A session's, bearer's or guest's token."},
					"cookie": {Type: "apiKey", In: "cookie", Name: "besedka", Description: "The session cookie; __Host-besedka where the instance is reached by https."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}, // "json" is what every …+json is
		DefaultFormat: "application/json",
	}
	c.AllowAdditionalPropertiesByDefault = true
	return c
}

// schemaNames are the names of types that are called otherwise in Go.
var schemaNames = map[reflect.Type]string{
	reflect.TypeFor[Self]():       "Me",
	reflect.TypeFor[room.View]():  "RoomView",
	reflect.TypeFor[chat.Page]():  "Messages",
	reflect.TypeFor[ask.Option](): "PollOption",
	reflect.TypeFor[room.Me]():    "RoomMe",
	reflect.TypeFor[room.Card]():  "RoomCard",
	reflect.TypeFor[room.Ref]():   "RoomRef",
}

// schemaName names a schema after its type, which must be told apart by name alone.
func schemaName(t reflect.Type, hint string) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name, ok := schemaNames[t]; ok {
		return name
	}
	name := huma.DefaultSchemaNamer(t, hint)
	return strings.ToUpper(name[:1]) + name[1:]
}

// newSchemas keeps the schemas. A person is the same to accounts and to rooms.
func newSchemas() huma.Registry {
	r := huma.NewMapRegistry("#/components/schemas/", schemaName)
	r.RegisterTypeAlias(reflect.TypeFor[room.Person](), reflect.TypeFor[account.Person]())
	r.RegisterTypeAlias(reflect.TypeFor[chat.Person](), reflect.TypeFor[account.Person]())
	r.RegisterTypeAlias(reflect.TypeFor[ask.Person](), reflect.TypeFor[account.Person]())
	return r
}

func securityOf(who access) []map[string][]string {
	if who == byStrangers {
		return []map[string][]string{}
	}
	return []map[string][]string{{"bearer": {}}, {"cookie": {}}}
}

// tagsOf gives the first part of a path.
func tagsOf(path string) []string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return []string{first}
}
