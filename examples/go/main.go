// SPDX-License-Identifier: Apache-2.0
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"

	"github.com/inngest/inngestgo"
)

func main() {
	client, err := inngestgo.NewClient(inngestgo.ClientOpts{AppID: "examples-go"})
	if err != nil {
		log.Fatal(err)
	}
	for _, create := range []func(inngestgo.Client) error{clickRecorder, syncSystems, userWeeklyDigest, sendWelcomeNotification} {
		if err := create(client); err != nil {
			log.Fatal(err)
		}
	}
	http.Handle("/api/inngest", client.Serve())
	log.Fatal(http.ListenAndServe("127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "3002"), nil))
}
