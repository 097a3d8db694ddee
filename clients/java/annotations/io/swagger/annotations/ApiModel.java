package io.swagger.annotations;

/** Stands in for io.swagger:swagger-annotations, which Debian does not have; in a real project the generated pom.xml names it. */
public @interface ApiModel {
    String value() default "";

    String description() default "";
}
