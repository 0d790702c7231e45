//go:build !linux

package main

import "fmt"

func main() { fmt.Println("crowd reads /proc, which only Linux has") }
