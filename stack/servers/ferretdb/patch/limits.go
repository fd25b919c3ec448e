// Copied into internal/clientconn of FerretDB before it is built: what a tenant's plan allows, which FerretDB itself does not count.

package clientconn

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/FerretDB/FerretDB/internal/clientconn/conninfo"
	"github.com/FerretDB/FerretDB/internal/handler/handlererrors"
)

const (
	// What no driver exceeds before it is logged in. The parser takes ten times a message's length in memory.
	maxAnonymousMessage = 64 * 1024

	// How long an old figure may be used.
	limitsAge = time.Second
)

// tenantLimits is what the file named by LEASEHOLD_LIMITS_FILE holds. 0 = not limited.
type tenantLimits struct {
	Connections  int     `json:"connections"`
	OpsPerMinute float64 `json:"opsPerMinute"`
}

var tenant = struct {
	sync.Mutex
	file     string
	limits   tenantLimits
	readAt   time.Time
	loggedIn int
	tokens   float64
	filledAt time.Time
}{file: os.Getenv("LEASEHOLD_LIMITS_FILE")}

// uncounted are the commands of which drivers send some by themselves.
var uncounted = map[string]bool{
	"hello": true, "isMaster": true, "ismaster": true, "ping": true, "saslStart": true, "saslContinue": true,
	"endSessions": true, "logout": true, "buildInfo": true, "killCursors": true,
}

func isLoggedIn(ctx context.Context) bool {
	_, _, conv, _ := conninfo.Get(ctx).Auth()
	return conv != nil && conv.Valid()
}

// checkSize refuses a large message of somebody who is not logged in, before it is read.
func checkSize(ctx context.Context, r *bufio.Reader) error {
	if isLoggedIn(ctx) {
		return nil
	}

	head, err := r.Peek(4)
	if err != nil {
		// the reader of the message says it better
		return nil //nolint:nilerr // see above
	}

	if length := binary.LittleEndian.Uint32(head); length > maxAnonymousMessage {
		return fmt.Errorf("message of %d bytes from a client that is not logged in", length)
	}

	return nil
}

// admit counts a connection that has just logged in, or throws it out again.
func (c *conn) admit(ctx context.Context) error {
	if c.admitted || !isLoggedIn(ctx) {
		return nil
	}

	tenant.Lock()
	defer tenant.Unlock()

	if err := readLimits(0); err != nil {
		conninfo.Get(ctx).SetAuth("", "", nil, "")
		return err
	}

	if limit := tenant.limits.Connections; limit > 0 && tenant.loggedIn >= limit {
		conninfo.Get(ctx).SetAuth("", "", nil, "")
		return refusal(fmt.Sprintf("too many connections: the plan allows %d at once", limit))
	}

	tenant.loggedIn++
	c.admitted = true

	return nil
}

// leave gives the place back.
func (c *conn) leave() {
	if !c.admitted {
		return
	}

	tenant.Lock()
	defer tenant.Unlock()

	tenant.loggedIn--
}

// spend takes one operation out of a bucket that holds a minute's worth.
func (c *conn) spend(ctx context.Context, command string) error {
	if uncounted[command] || !isLoggedIn(ctx) {
		return nil
	}

	tenant.Lock()
	defer tenant.Unlock()

	if err := readLimits(limitsAge); err != nil {
		return err
	}

	perMinute := tenant.limits.OpsPerMinute
	if perMinute <= 0 {
		return nil
	}

	now := time.Now()
	if tenant.filledAt.IsZero() {
		tenant.tokens = perMinute
	} else {
		tenant.tokens = min(perMinute, tenant.tokens+now.Sub(tenant.filledAt).Minutes()*perMinute)
	}

	tenant.filledAt = now

	if tenant.tokens < 1 {
		return refusal(fmt.Sprintf("too many operations: the plan allows %.0f a minute", perMinute))
	}

	tenant.tokens--

	return nil
}

// readLimits reads the file anew when what is known is older than that. Without a file nothing is limited; one that cannot be read
// lets nobody in.
func readLimits(age time.Duration) error {
	if tenant.file == "" || (age > 0 && time.Since(tenant.readAt) < age) {
		return nil
	}

	b, err := os.ReadFile(tenant.file)
	if err != nil {
		return refusal("the limits of this plan cannot be read")
	}

	var limits tenantLimits
	if err = json.Unmarshal(b, &limits); err != nil {
		return refusal("the limits of this plan cannot be read")
	}

	tenant.limits = limits
	tenant.readAt = time.Now()

	return nil
}

func refusal(message string) error {
	return handlererrors.NewCommandErrorMsg(handlererrors.ErrOperationFailed, message)
}
