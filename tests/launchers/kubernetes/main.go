// SPDX-License-Identifier: Apache-2.0

// Decodes manifests into the types of Kubernetes' own API, strictly: unknown fields, fields twice
// and values of a wrong type are errors. What the types cannot say, that names and labels lead
// somewhere, is looked at after that.
//
//	manifests DIR                 checks DIR/*.yaml
//	manifests DIR FILE CONTAINER  prints a container's command line, for a shell
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// Kinds of objects, as "apiVersion/kind"; another one is an error until it stands here.
var kinds = map[string]func() any{
	"v1/Namespace":                                  func() any { return &corev1.Namespace{} },
	"v1/PersistentVolumeClaim":                      func() any { return &corev1.PersistentVolumeClaim{} },
	"v1/Service":                                    func() any { return &corev1.Service{} },
	"apps/v1/Deployment":                            func() any { return &appsv1.Deployment{} },
	"apps/v1/StatefulSet":                           func() any { return &appsv1.StatefulSet{} },
	"batch/v1/Job":                                  func() any { return &batchv1.Job{} },
	"batch/v1/CronJob":                              func() any { return &batchv1.CronJob{} },
	"networking.k8s.io/v1/NetworkPolicy":            func() any { return &networkingv1.NetworkPolicy{} },
	"kustomize.config.k8s.io/v1beta1/Kustomization": func() any { return &kustomize.Kustomization{} },
}

type check struct {
	problems []string
	pods     map[string]corev1.PodTemplateSpec // by where they stand
	selects  map[string]map[string]string      // services' selectors
	claims   map[string]bool
	made     map[string]bool // secrets and config maps that kustomize makes
	images   map[string]bool
	used     []string // files that the kustomization names
}

func (c *check) problem(format string, arguments ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, arguments...))
}

func (c *check) file(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		c.problem("%v", err)
		return
	}
	for i, document := range bytes.Split(text, []byte("\n---\n")) {
		c.document(fmt.Sprintf("%s, object %d", filepath.Base(path), i+1), document)
	}
}

func (c *check) document(where string, text []byte) {
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(text, &head); err != nil {
		c.problem("%s: %v", where, err)
		return
	}
	make, known := kinds[head.APIVersion+"/"+head.Kind]
	if !known {
		c.problem("%s: no such kind: %s %s", where, head.APIVersion, head.Kind)
		return
	}
	object := make()
	// As the API server does it: twice the same key is an error, and case counts.
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		c.problem("%s: %v", where, err)
		return
	}
	strict, err := json.UnmarshalStrict(asJSON, object)
	for _, problem := range append(strict, err) {
		if problem != nil {
			c.problem("%s: %v", where, problem)
		}
	}
	if err != nil {
		return
	}
	c.object(where, object)
}

func (c *check) object(where string, object any) {
	switch it := object.(type) {
	case *corev1.Service:
		c.selects[where] = it.Spec.Selector
	case *corev1.PersistentVolumeClaim:
		c.claims[it.Name] = true
	case *appsv1.Deployment:
		c.selector(where, it.Spec.Selector, it.Spec.Template)
	case *appsv1.StatefulSet:
		c.selector(where, it.Spec.Selector, it.Spec.Template)
		c.mounts(where, it.Spec.Template.Spec, it.Spec.VolumeClaimTemplates)
		return
	case *batchv1.Job:
		c.job(where, it.Spec)
	case *batchv1.CronJob:
		c.job(where, it.Spec.JobTemplate.Spec)
	case *networkingv1.NetworkPolicy:
		c.selects[where] = it.Spec.PodSelector.MatchLabels
	case *kustomize.Kustomization:
		c.kustomization(it)
	}
}

func (c *check) selector(where string, selector *metav1.LabelSelector, pod corev1.PodTemplateSpec) {
	if !reflect.DeepEqual(selector.MatchLabels, pod.Labels) {
		c.problem("%s: its selector is not its pods' labels", where)
	}
	if pod.Spec.RestartPolicy != "" {
		c.problem("%s: a restartPolicy other than Always", where)
	}
	c.pods[where] = pod
	if !strings.HasPrefix(where, "master.yaml") {
		c.mounts(where, pod.Spec, nil)
	}
}

// What the API server refuses, of the things that are used here.
func (c *check) job(where string, job batchv1.JobSpec) {
	c.pods[where] = job.Template
	c.mounts(where, job.Template.Spec, nil)
	if job.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		c.problem("%s: a podFailurePolicy asks for restartPolicy Never", where)
	}
	isIndexed := job.CompletionMode != nil && *job.CompletionMode == batchv1.IndexedCompletion
	if (job.BackoffLimitPerIndex != nil || job.MaxFailedIndexes != nil) && !isIndexed {
		c.problem("%s: limits for each index, but it has none", where)
	}
	if job.PodFailurePolicy == nil {
		c.problem("%s: no podFailurePolicy", where)
		return
	}
	for _, rule := range job.PodFailurePolicy.Rules {
		if (rule.OnExitCodes == nil) == (len(rule.OnPodConditions) == 0) {
			c.problem("%s: a rule is about exit codes or about conditions", where)
		}
		if rule.Action == batchv1.PodFailurePolicyActionFailIndex && job.BackoffLimitPerIndex == nil {
			c.problem("%s: FailIndex asks for backoffLimitPerIndex", where)
		}
		if codes := rule.OnExitCodes; codes != nil {
			if codes.ContainerName == nil || container(job.Template, *codes.ContainerName) == nil {
				c.problem("%s: a rule is about a container that is not there", where)
			}
		}
	}
}

func container(pod corev1.PodTemplateSpec, name string) *corev1.Container {
	for i := range pod.Spec.Containers {
		if pod.Spec.Containers[i].Name == name {
			return &pod.Spec.Containers[i]
		}
	}
	return nil
}

func (c *check) mounts(where string, pod corev1.PodSpec, claims []corev1.PersistentVolumeClaim) {
	volumes := map[string]bool{}
	for _, claim := range claims {
		volumes[claim.Name] = true
	}
	for _, volume := range pod.Volumes {
		volumes[volume.Name] = true
	}
	for _, container := range pod.Containers {
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] {
				c.problem("%s: %s mounts %s, which is no volume", where, container.Name, mount.Name)
			}
			delete(volumes, mount.Name)
		}
	}
	for name := range volumes {
		c.problem("%s: the volume %s is mounted nowhere", where, name)
	}
}

func (c *check) kustomization(it *kustomize.Kustomization) {
	c.used = append(c.used, it.Resources...)
	for _, made := range it.ConfigMapGenerator {
		c.made[made.Name] = true
		c.used = append(c.used, made.FileSources...)
	}
	for _, made := range it.SecretGenerator {
		c.made[made.Name] = true // its files are keys, which are not there yet
	}
	for _, image := range it.Images {
		c.images[image.Name] = true
	}
}

// What needs all of the manifests: who names whom. And the standard "restricted", for whoever does
// not have it enforced.
func (c *check) whole(directory string) {
	for _, name := range c.used {
		if _, err := os.Stat(filepath.Join(directory, name)); err != nil {
			c.problem("kustomization.yaml: %v", err)
		}
	}
	for where, selector := range c.selects {
		found := false
		for _, pod := range c.pods {
			found = found || contains(pod.Labels, selector)
		}
		if !found {
			c.problem("%s: selects no pod: %v", where, selector)
		}
	}
	for where, pod := range c.pods {
		for _, volume := range pod.Spec.Volumes {
			if it := volume.Secret; it != nil && !c.made[it.SecretName] {
				c.problem("%s: nobody makes the secret %s", where, it.SecretName)
			}
			if it := volume.ConfigMap; it != nil && !c.made[it.Name] {
				c.problem("%s: nobody makes the config map %s", where, it.Name)
			}
			if it := volume.PersistentVolumeClaim; it != nil && !c.claims[it.ClaimName] {
				c.problem("%s: nobody claims %s", where, it.ClaimName)
			}
		}
		if it := pod.Spec.SecurityContext; it == nil || it.RunAsNonRoot == nil || !*it.RunAsNonRoot ||
			it.SeccompProfile == nil ||
			it.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			c.problem("%s: the pod may be root, or has no seccomp profile", where)
		}
		for _, container := range pod.Spec.Containers {
			c.container(where, container)
		}
	}
}

func (c *check) container(where string, it corev1.Container) {
	if !c.images[it.Image] {
		c.problem("%s: the kustomization does not know the image %s", where, it.Image)
	}
	limits := it.SecurityContext
	if limits == nil || limits.AllowPrivilegeEscalation == nil || *limits.AllowPrivilegeEscalation ||
		limits.ReadOnlyRootFilesystem == nil || !*limits.ReadOnlyRootFilesystem ||
		limits.Capabilities == nil || !reflect.DeepEqual(limits.Capabilities.Drop,
		[]corev1.Capability{"ALL"}) {
		c.problem("%s: %s has more rights than it needs", where, it.Name)
	}
	if it.Resources.Limits.Memory().Cmp(resource.MustParse("1Gi")) < 0 {
		c.problem("%s: %s has no limit of memory, or a tiny one", where, it.Name)
	}
}

func contains(all, some map[string]string) bool {
	for key, value := range some {
		if all[key] != value {
			return false
		}
	}
	return true
}

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func printCommand(pods map[string]corev1.PodTemplateSpec, file, name string) bool {
	for where, pod := range pods {
		it := container(pod, name)
		if it == nil || !strings.HasPrefix(where, file+",") {
			continue
		}
		words := it.Command
		if len(words) == 0 {
			words = []string{"millrace"} // the image's entry point
		}
		for _, word := range append(words, it.Args...) {
			fmt.Print(quote(word), " ")
		}
		fmt.Println()
		return true
	}
	return false
}

func main() {
	directory := os.Args[1]
	paths, _ := filepath.Glob(filepath.Join(directory, "*.yaml"))
	c := check{pods: map[string]corev1.PodTemplateSpec{}, selects: map[string]map[string]string{},
		claims: map[string]bool{}, made: map[string]bool{}, images: map[string]bool{}}
	for _, path := range paths {
		c.file(path)
	}
	if len(os.Args) > 3 {
		if !printCommand(c.pods, os.Args[2], os.Args[3]) {
			fmt.Fprintln(os.Stderr, "no such container")
			os.Exit(1)
		}
		return
	}
	c.whole(directory)
	for _, problem := range c.problems {
		fmt.Fprintln(os.Stderr, problem)
	}
	if len(c.problems) > 0 || len(c.pods) < 4 {
		os.Exit(1)
	}
	fmt.Printf("%d files, %d kinds of pods\n", len(paths), len(c.pods))
}
