// net/http: go run main.go ADDRESS KEY INVOICE CSV FILM
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What is read of every answer: a message, a broadcast or a problem.
type answer struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Status   json.RawMessage `json:"status"`
	FileName string          `json:"fileName"`
	Counts   struct {
		Total    int `json:"total"`
		Accepted int `json:"accepted"`
	} `json:"counts"`
}

type client struct {
	address, key string
	http         http.Client
}

// do sends one request; an answer that is read to its end leaves the connection to the next one.
func (c *client) do(method, path string, body io.Reader, headers map[string]string) (*http.Response, answer) {
	request, err := http.NewRequest(method, c.address+path, body)
	check(err)
	request.Header.Set("Authorization", "Bearer "+c.key)
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := c.http.Do(request)
	check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	check(err)
	var read answer
	if len(text) > 0 {
		check(json.Unmarshal(text, &read))
	}
	return response, read
}

// sendTemplate under the same idempotency key is the same message, however often it is called.
func (c *client) sendTemplate(idempotencyKey string) (*http.Response, answer) {
	body, err := json.Marshal(map[string]any{
		"to":         "14155551000",
		"template":   "order_update",
		"parameters": map[string]string{"customer_name": "José", "order_id": "A-1001", "order_status": "shipped"},
	})
	check(err)
	headers := map[string]string{"Content-Type": "application/json", "Idempotency-Key": idempotencyKey}
	return c.do("POST", "/v1/messages/template", bytes.NewReader(body), headers)
}

// upload streams the file: it is never in memory as a whole.
func (c *client) upload(path, file, idempotencyKey string) (*http.Response, answer) {
	content, err := os.Open(file)
	check(err)
	defer content.Close()
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() {
		part, err := form.CreateFormFile("file", filepath.Base(file))
		if err == nil {
			_, err = io.Copy(part, content)
		}
		if err == nil {
			err = form.Close()
		}
		writer.CloseWithError(err)
	}()
	headers := map[string]string{"Content-Type": form.FormDataContentType(), "Idempotency-Key": idempotencyKey}
	return c.do("POST", path, reader, headers)
}

// follow reads server-sent events; the stream ends with the broadcast.
func (c *client) follow(broadcast string) (event string, last answer) {
	request, err := http.NewRequest("GET", c.address+"/v1/broadcasts/"+broadcast+"/events", nil)
	check(err)
	request.Header.Set("Authorization", "Bearer "+c.key)
	response, err := c.http.Do(request)
	check(err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "data":
			check(json.Unmarshal([]byte(value), &last))
		}
	}
	check(lines.Err())
	return event, last
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	address, key, invoice, csv, film := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	run := fmt.Sprint(time.Now().UnixNano())
	bff := &client{address, key, http.Client{Timeout: time.Minute}}
	word := func(text json.RawMessage) string { return strings.Trim(string(text), `"`) }

	response, _ := bff.do("HEAD", "/v1/templates", nil, nil)
	fmt.Println("templates, by HEAD:", response.StatusCode)

	response, first := bff.sendTemplate("go-" + run)
	fmt.Println("template:", response.StatusCode, word(first.Status))
	response, again := bff.sendTemplate("go-" + run)
	fmt.Printf("template again: %d %s, replayed: %s, the same: %t\n", response.StatusCode, word(again.Status),
		response.Header.Get("Idempotency-Replayed"), again.ID == first.ID)

	query := url.Values{"to": {"14155551000"}, "caption": {"Grüße"}}
	response, sent := bff.upload("/v1/messages/file?"+query.Encode(), invoice, "go-file-"+run)
	fmt.Println("file:", response.StatusCode, word(sent.Status), sent.FileName)

	query = url.Values{"template": {"order_update"}, "broadcastName": {"march"}}
	response, imported := bff.upload("/v1/broadcasts/import?"+query.Encode(), csv, "go-import-"+run)
	fmt.Println("import:", response.StatusCode, imported.Counts.Total)
	event, ended := bff.follow(imported.ID)
	fmt.Printf("events: %s, %d accepted\n", event, ended.Counts.Accepted)

	stranger := &client{address, key + "x", http.Client{Timeout: time.Minute}}
	response, refused := stranger.upload("/v1/messages/file?to=14155551000", film, "go-film-"+run)
	fmt.Println("another key:", response.StatusCode, refused.Type)
	response, refused = bff.do("POST", "/v1/messages/text", strings.NewReader("Hello"), map[string]string{"Content-Type": "text/plain"})
	fmt.Println("another type:", response.StatusCode, refused.Type)
}
